"""One run through all schedulers: guests stay, schedulers change, and nothing may be lost.

The run begins under a scheduler with reservations, goes through all others, and comes back to the first. Trace and consoles show:
- each vCPU that was runnable at a takeover ran under the new scheduler, and none was on two pCPUs at once;
- the hypervisor's accounts continue, and weights hold under each scheduler that supports them;
- the reservation holds again at the end, and every job comes to its right result.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, Machine, Policy, TimelineEntry
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Setting,
    Whole,
    drain,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.experiment.answers import checksum, digest, is_silent, reported
from bulkhead.figures import Course, Quantity
from bulkhead.linux.kernel import DEBIAN_KERNEL
from bulkhead.metrics import Window, open_loop, shares
from bulkhead.metrics.takeover import (
    aftermath,
    on_pcpus,
    shares_at,
    spans,
    takeovers,
    twice_at_once,
    waiting_error,
)
from bulkhead.policy.tables import built_policies, kind_number

MILLISECOND = 1_000_000
SCHEDULER = kind_number("scheduler")
FIRST = "rtds"  # also the last
BREAKS_ITS_CONTRACT = "chaos"
BY_WEIGHT = ("credit", "credit2", "bvt", "stride", "eevdf")
LIGHT, HEAVY = 128, 384
RESERVED = {"budget": 3_000, "period": 10_000}
SEED = 7
STEP_NS = 16  # of checksum
CHECKSUM_PART = 12  # of all pCPU time: every scheduler gives the job at least that
COURSE_POINTS = 8  # in each span


def order() -> list[str]:
    """The schedulers, in the order in which they serve."""
    others = sorted(set(built_policies("scheduler")) - {FIRST, BREAKS_ITS_CONTRACT})
    return [FIRST, *others, FIRST]


def length(point: Point) -> int:
    """How long the whole run is [ns]."""
    return point.number("linux_ms") * MILLISECOND if with_linux(point) else point.duration_ns


def span(point: Point) -> int:
    """Length of each scheduler's part of the run [ns]."""
    return length(point) // len(order())


def with_linux(point: Point) -> bool:
    """Points with Linux guests."""
    return point.text("guests") == "linux"


def checksum_steps(point: Point) -> int:
    """Steps of the checksum job. All pCPUs of the emulator together execute as many instructions as one."""
    return length(point) // (CHECKSUM_PART * STEP_NS)


def small_guests(point: Point) -> tuple[Guest, ...]:
    """Two hogs of unequal weight, one with a reservation, a job with a known answer, and a guest that checks its registers."""
    pcpus = point.number("pcpus")
    watch = f"seed={SEED} for_ms={length(point) * 8 // 10 // MILLISECOND}"
    return (
        small_guest("light", "cpu_hog", "all_vcpus=1", weight=LIGHT, vcpus=pcpus),
        small_guest("heavy", "cpu_hog", "all_vcpus=1", weight=HEAVY, vcpus=pcpus),
        small_guest("reserved", "cpu_hog", sched=RESERVED),
        small_guest("checksum", "checksum", f"seed={SEED} steps={checksum_steps(point)}"),
        small_guest("vectors", "vector_state", watch),
    )


def linux_guests(point: Point) -> tuple[Guest, ...]:
    """Two Linux guests that boot, do their job and power off."""
    words = f"console=hvc0 quiet bulkhead.job=digest:{point.number('rounds')}"
    return tuple(
        Guest(name, DEBIAN_KERNEL, words, initrd="image:small", memory=128 * MIB, vcpus=point.number("pcpus"))
        for name in ("linux1", "linux2")
    )


def guests(point: Point) -> tuple[Guest, ...]:
    """The guests of a point, and always a pair that wakes each other."""
    pair = (
        small_guest("web", "responder", "peer=pinger"),
        small_guest("pinger", "pinger", "peer=web period_us=3130"),
    )
    return (linux_guests(point) if with_linux(point) else small_guests(point)) + pair


def machine(point: Point) -> Machine:
    """All guests, and a timeline that changes the scheduler."""
    names = order()
    return Machine(
        guests=guests(point),
        sched=Policy(names[0]),
        pcpus=point.number("pcpus"),
        memory=768 * MIB,
        duration=length(point),
        timeline=tuple(
            TimelineEntry(index * span(point), "swap", policy=Policy(name))
            for index, name in enumerate(names[1:], start=1)
        ),
        seed=point.number("seed"),
        end_when_idle=False,
        trace_bytes=64 * MIB,
    )


def served(run: Observed) -> dict[str, Window]:
    """When each scheduler served, under its number and name."""
    moments = takeovers(run.trace, SCHEDULER)
    parts = spans(moments, run.trace.whole)
    parts[0] = Window(parts[0].end - span(run.point), parts[0].end)  # without building
    return {f"{index:02} {name}": part for index, (name, part) in enumerate(zip(order(), parts))}


def took_over(run: Observed) -> list[Window]:
    """The spans that began with a takeover."""
    return list(served(run).values())[1:]


def lost(run: Observed) -> int:
    """vCPUs that were runnable when a scheduler took over, and never ran under it."""
    return sum(aftermath(run.running, run.runnable, part).lost for part in took_over(run))


def wanted(run: Observed) -> int:
    """vCPUs that were runnable when a scheduler took over."""
    return sum(aftermath(run.running, run.runnable, part).wanted for part in took_over(run))


def longest_return(run: Observed) -> int:
    """Longest time [ns] from a takeover until a runnable vCPU ran."""
    return max(aftermath(run.running, run.runnable, part).longest_return for part in took_over(run))


def accounts(run: Observed) -> float:
    """The ledger's waiting times against the trace's."""
    rows = run.run.landmark.ledger.values()
    return waiting_error(run.running, run.runnable, {row.domain: row.waiting_ns for row in rows})


def share(run: Observed) -> dict[str, dict[str, float]]:
    """Under each scheduler, each guest's part of all pCPU time."""
    names = {run.domains[guest]: guest for guest in run.guests}
    return {
        label: {
            names[domain]: part
            for domain, part in shares(run.running, window, names, run.run.machine.pcpus).items()
        }
        for label, window in served(run).items()
    }


def weight_error(run: Observed) -> dict[str, float]:
    """Distance of heavy / light from the weights, under each scheduler that supports weights."""
    return {
        label.partition(" ")[2]: abs(parts["heavy"] / parts["light"] / (HEAVY / LIGHT) - 1)
        for label, parts in share(run).items()
        if label.partition(" ")[2] in BY_WEIGHT
    }


def reserved(run: Observed) -> dict[str, float]:
    """Part of one pCPU of the guest with a reservation, while the reservation held: at the beginning and at the end."""
    parts = list(share(run).values())
    pcpus = run.run.machine.pcpus
    return {"first": parts[0]["reserved"] * pcpus, "last": parts[-1]["reserved"] * pcpus}


def right_results(point: Point) -> dict[str, tuple[str, dict[str, str]]]:
    """For each guest with a job: the job, and the report that is right."""
    rounds = point.number("rounds")
    chain = ("digest", {"rounds": str(rounds), "value": digest(rounds)})
    return {
        "checksum": ("checksum", {"value": str(checksum(SEED, checksum_steps(point)))}),
        "vectors": ("vector_state", {"wrong": "0"}),
        "linux1": chain,
        "linux2": chain,
    }


def jobs(run: Observed) -> dict[str, int]:
    """1 for each job that ended with the right result; in the simulator, which keeps no vector registers, without `vectors`."""
    consoles = {guest: run.run.consoles.get(guest, "") for guest in run.guests}
    return {
        guest: int(reported(consoles[guest], *expected))
        for guest, expected in right_results(run.point).items()
        if guest in consoles and not is_silent(consoles[guest], *expected)
    }


def lost_pings(run: Observed) -> int:
    """Requests without a reply, of those sent from the first takeover until a little before the end."""
    begin = took_over(run)[0].start
    end = run.trace.whole.end - run.point.number("drain_ms") * MILLISECOND
    sent, replies = run.marks("pinger", "request_sent"), run.marks("pinger", "reply_received")
    return open_loop(run.marks("pinger", "deadline"), sent, replies, Window(begin, end)).unfinished


def course(run: Observed) -> dict[str, dict[str, float]]:
    """Each guest's part of all pCPU time over time [ms]."""
    parts = list(served(run).values())
    whole = Window(parts[0].start, parts[-1].end)
    width = span(run.point) // COURSE_POINTS
    return {
        guest: {
            str(at // MILLISECOND): value
            for at, value in shares_at(
                run.running, whole, run.domains[guest], width, run.run.machine.pcpus
            ).items()
        }
        for guest in run.guests
    }


def takeover_at(run: Observed) -> dict[str, float]:
    """When each scheduler took over [ms]."""
    parts = served(run)
    begin = min(part.start for part in parts.values())
    return {label: (part.start - begin) / MILLISECOND for label, part in parts.items()}


METRICS = (
    Metric("takeovers", "1", "schedulers that took over", lambda run: len(took_over(run))),
    Metric("ejections", "1", "schedulers that were ejected", lambda run: len(run.trace.of("policy_eject"))),
    Metric("wanted", "1", "vCPUs that were runnable at a takeover, over all takeovers", wanted),
    Metric("lost", "1", "those of them that did not run before the next takeover", lost),
    Metric("longest_return", "ns", "longest time from a takeover until one of them ran", longest_return),
    Metric(
        "running_at_takeover",
        "1",
        "vCPUs that were on a pCPU at the instant of a takeover",
        lambda run: on_pcpus(run.running, takeovers(run.trace, SCHEDULER)),
    ),
    Metric(
        "twice_at_once",
        "ns",
        "time for which a vCPU was on two pCPUs at once",
        lambda run: twice_at_once(run.running),
    ),
    Metric("account_error", "1", "largest distance of ledger and trace, waiting time over the run", accounts),
    Metric("lost_pings", "1", "requests between guests without a reply", lost_pings),
    Metric("jobs", "1", "1 for a job that ended with the right result", jobs),
    Metric("share", "1", "under each scheduler, each guest's part of all pCPU time", share),
    Metric(
        "weight_error",
        "1",
        "|heavy / light - 3| / 3 under each scheduler that supports weights",
        weight_error,
        lambda point: not with_linux(point),
    ),
    Metric(
        "reserved",
        "1",
        "part of a pCPU under the reservation of 0.3, first and last",
        reserved,
        lambda point: not with_linux(point),
    ),
    Metric("course", "1", "each guest's part of all pCPU time, by time in ms", course),
    Metric("takeover_at", "ms", "when each scheduler took over", takeover_at),
)

FIGURE = Course(
    name="swap_midrun",
    caption=(
        "One run through all schedulers while the guests run. Upright lines: a scheduler takes over. The weights of light and "
        "heavy are 1:3; reserved has 3 ms in 10 under rtds."
    ),
    path="course",
    marks="takeover_at",
    x_label="time [s]",
    quantity=Quantity("share of all pCPU time"),
    panels=(
        ("(a) small guests, 1 pCPU", {"guests": "small", "pcpus": 1}),
        ("(b) small guests, 2 pCPUs", {"guests": "small", "pcpus": 2}),
        ("(c) with Linux guests, 1 pCPU", {"guests": "linux", "pcpus": 1}),
        ("(d) with Linux guests, 2 pCPUs", {"guests": "linux", "pcpus": 2}),
    ),
)

EXPERIMENT = Experiment(
    name="swap_midrun",
    title="Schedulers swapped in mid-run",
    question="Is anything lost when schedulers take over from one another while guests run?",
    factors=(
        Factor("guests", "guests of the run", ("small", "linux"), ("small",), Choice(("small", "linux"))),
        Factor("pcpus", "pCPUs, and vCPUs of the larger guests", (1, 2), (2,), Whole(1, 8)),
    ),
    settings=(
        duration(full=3300, quick=1100),
        warm_up(full=100, quick=60),
        drain(full=100, quick=50),
        Setting("linux_ms", "virtual time of a run with Linux guests", "ms", 38_500, 38_500, 1_000, 600_000),
        Setting("rounds", "digests that each Linux guest computes", "1", 150, 150, 1, 100_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
)
