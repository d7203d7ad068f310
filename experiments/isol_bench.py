"""Four questions to a policy that isolates I/O: its overhead, its fairness, what a priority costs, and how it takes bursts.

- overhead: guests of equal weight that always have 8 reads of 4 KiB outstanding. What does the hypervisor spend on each read,
  and does the drive do less than without a policy?
- fairness: the same guests with weights 1 to 4 by turns, every other one asking for 64 KiB. Is device time by weight?
- priority: a guest reads each ms with a weight from 1 to 16, beside guests that always ask. How soon is it answered, and does the
  drive stay in use?
- bursts: a guest of weight 4 asks for 32 reads each 100 ms beside the same. How soon are they answered?

After isol-bench, whose questions these are for the knobs of Linux's control groups (IISWC 2025). Its numbers cannot be compared:
they are of real drives. The drive here has no seek, takes 8 requests at a time and serves about 12,000 reads per second.
"""

from __future__ import annotations

from bulkhead import MIB, Disk, Guest, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    drain,
    duration,
    small_guest,
    summary,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics.fairness import jain
from bulkhead.metrics.trace import int64

POLICIES = ("fifo", "round_robin", "token_bucket", "drr", "sfq", "mclock", "latency_target")
QUESTIONS = ("overhead", "fairness", "priority", "bursts")
GUESTS, MIDDLE = (2, 8, 16), 8
WEIGHTS = (1, 4, 16)  # of the priority guest
UNIT = 64  # a weight of 1
BURST_WEIGHT = 4
STEADY = "depth=8"
DRIVE = Disk(request_us=80, seek_us=0, bytes_per_us=1600, depth=8)
# What a policy that knows more than weights is told of the priority guest.
PROMISED = {"mclock": {"reservation": 1000}, "latency_target": {"target": 1000, "rate": 1000}}


def reader(name: str, options: str, weight: int = 1, ringctl: dict[str, int] | None = None) -> Guest:
    """A guest that reads from a disk of its own."""
    return small_guest(
        name, "disk", options, weight=UNIT * weight, disks=(GuestDisk(4 * MIB),), ringctl=ringctl or {}
    )


def weight_of(index: int) -> int:
    """Of a guest that the question of fairness is asked about: 1 to 4 by turns."""
    return index % 4 + 1


def others(point: Point) -> tuple[Guest, ...]:
    """The guests that always ask."""
    fair, count = point.text("question") == "fairness", point.number("guests")
    special = point.text("question") in ("priority", "bursts")
    # Sizes alternate by pairs, so that each weight comes with either size.
    sizes = [65536 if fair and (i // 4 + i) % 2 else 4096 for i in range(count)]
    return tuple(
        reader(f"g{i + 1}", f"{STEADY} bytes={sizes[i]}", weight_of(i) if fair else 1)
        for i in range(count - special)
    )


def special(point: Point) -> tuple[Guest, ...]:
    """The guest that has priority or asks in bursts."""
    if point.text("question") == "priority":
        promised = PROMISED.get(point.policy("ringctl").name)
        return (reader("special", "period_us=1013 depth=8", point.number("weight"), promised),)
    if point.text("question") == "bursts":
        return (reader("special", "period_us=100000 burst=32 depth=32", BURST_WEIGHT),)
    return ()


def machine(point: Point) -> Machine:
    """The guests of a question, on one pCPU and one drive."""
    return Machine(
        guests=(*special(point), *others(point)),
        sched=Policy("credit2"),
        ringctl=point.policy("ringctl"),
        disk=DRIVE,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def excludes(point: Point) -> str | None:
    """Only a priority is asked about with several weights, and only with one number of guests."""
    if point.text("question") == "priority":
        return None if point.number("guests") == MIDDLE else "a priority is asked about beside 7 guests"
    return None if point.number("weight") == WEIGHTS[0] else "only a priority has several weights"


def has_special(point: Point) -> bool:
    """Points with a guest that asks by timetable."""
    return bool(special(point))


def is_fairness(point: Point) -> bool:
    """Points that ask for fairness."""
    return point.text("question") == "fairness"


def device_ns(run: Observed) -> dict[str, int]:
    """What the drive worked for each guest in the window."""
    done = run.trace.of("ring_complete")
    done = done[run.window.holds(int64(done["time"]))]
    return {name: int(int64(done["b"][done["domain"] == run.domains[name]]).sum()) for name in run.guests}


def fairness(run: Observed) -> float | None:
    """Jain's index of device time over weight."""
    worked = device_ns(run)
    return jain([worked[guest.name] / guest.weight for guest in run.run.machine.guests])


def overhead(run: Observed) -> float:
    """CPU time that guests are billed for in the hypervisor, over all their requests of the whole run."""
    ledger = run.run.landmark.ledger
    spent = sum(ledger[name].hypervisor_ns for name in run.guests)
    return spent / max(1, len(run.trace.of("ring_complete")))


METRICS = (
    Metric("overhead", "ns", "hypervisor time that guests are billed for, over their requests", overhead),
    Metric(
        "reads",
        "1/s",
        "reads of all guests per second",
        lambda run: sum(run.progress(name).per_second or 0.0 for name in run.guests),
    ),
    Metric(
        "used",
        "1",
        "part of the window in which the drive worked",
        lambda run: sum(device_ns(run).values()) / run.window.length,
    ),
    Metric("fairness", "1", "Jain's index of device time over weight", fairness, is_fairness),
    Metric(
        "latency",
        "ns",
        "response time of the special guest's reads, from the instant at which each was due",
        lambda run: summary(run.open_loop("special")),
        has_special,
    ),
)

COMPARISONS = (
    Comparison(
        "kept",
        "1",
        "reads of all guests over those without a policy",
        "reads",
        {"ringctl": "fifo"},
        lambda here, there: here / there,
    ),
)


def panel(letter: str, path: str, quantity: Quantity, question: str, title: str) -> Panel:
    """A number that answers a question."""
    where = {"question": question} | (
        {"guests": MIDDLE} if question == "priority" else {"weight": WEIGHTS[0]}
    )
    return Panel(path=path, quantity=quantity, title=f"({letter}) {title}", where=where)


P99 = Quantity("p99 of response [ms]", factor=1e-6, log=True)

FIGURES = (
    Lines(
        name="isol_bench",
        caption=(
            "Guests that always have 8 reads outstanding on a drive without seeks that takes 8 requests at a time. (a) Equal "
            "guests that read 4 KiB. (b) Weights 1 to 4, every other guest reads 64 KiB. (c) One guest of weight 4 asks for 32 "
            "reads each 100 ms, the others have weight 1; no marker where more than 1 % of its reads never completed."
        ),
        x="guests",
        x_label="guests",
        series="ringctl",
        panels=(
            panel(
                "a", "overhead", Quantity("per read [us]", factor=1e-3), "overhead", "time in the hypervisor"
            ),
            panel("b", "fairness", Quantity("Jain's index"), "fairness", "device time over weight"),
            panel("c", "latency.p99", P99, "bursts", "bursts"),
        ),
    ),
    Lines(
        name="isol_bench_priority",
        caption=(
            "A guest that reads 4 KiB each ms, by its weight, beside 7 guests of weight 1 that always have 8 reads outstanding. "
            "Under mclock it has 1,000 reads per second reserved, under latency_target a target of 1 ms. No marker in (a) where "
            "more than 1 % of its reads never completed."
        ),
        x="weight",
        x_label="weight of the guest with priority",
        series="ringctl",
        panels=(
            panel("a", "latency.p99", P99, "priority", "guest with priority"),
            panel("b", "used", Quantity("part of the time"), "priority", "the drive works"),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="isol_bench",
    title="Overhead, fairness, priority and bursts",
    question="What does isolation of a drive cost, is it fair, does priority cost throughput, and are bursts answered soon?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("fifo", "sfq", "mclock"), Policies("ring")),
        Factor("question", "what is asked", QUESTIONS, QUESTIONS, Choice(QUESTIONS)),
        Factor("guests", "guests, the special one included", GUESTS, (MIDDLE,), Whole(2, 32)),
        Factor("weight", "weight of the guest with priority", WEIGHTS, (1, 16), Whole(1, 64)),
    ),
    settings=(duration(full=1000, quick=700), warm_up(full=200, quick=200), drain(full=150, quick=100)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=FIGURES,
    samples=3,
    excludes=excludes,
)
