"""Balloons: how long a guest takes to give back what its policy asks for, and what a policy does if a guest never does.

One guest is there first and takes what it can get. Another one comes and wants more than its part, so the first one's target
falls. Its balloon moves at once, or is stuck: the guest ignores its target. A policy that wants frames by force then has a
part of the guest's time withheld.
"""

from __future__ import annotations

import numpy as np

from bulkhead import MIB, Machine, Paging, Policy, TimelineEntry
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Setting,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics.trace import int64

POLICIES = (
    "first_fit",
    "static_partition",
    "proportional_share",
    "min_max",
    "idle_tax",
    "working_set",
    "pressure",
)
BALLOONS = {"moves": "stubborn=0", "is stuck": "stubborn=1"}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 116, 32, 16  # 33 MiB are for guests
FIRST_MIB, MOST_MIB, SET_MIB = 4, 30, 24  # of each guest; what it uses beside the first
NEED_MIB = 20  # a reservation of the second guest
HEAD_START_NS = 600_000_000  # of the first guest
RESERVED = {"min_max": {"min": NEED_MIB}}
FRAMES_PER_MIB = 256
NOISE = 1 / 50  # of the frames that a guest may have: a move back by less is no reversal


def machine(point: Point) -> Machine:
    """The guest that has memory, and the one that comes. Each has a pCPU."""
    policy = point.policy("memctl")
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": MOST_MIB * MIB}
    words = f"set_mib={SET_MIB} mark_ops=100 work_us=20"
    taker = small_guest("taker", "memory", words, **sizes, memctl=RESERVED.get(policy.name, {}))
    return Machine(
        guests=(small_guest("giver", "memory", f"{words} {BALLOONS[point.text('balloon')]}", **sizes), taker),
        absent=("taker",),
        timeline=(TimelineEntry(HEAD_START_NS, "create", "taker"),),
        pcpus=2,
        sched=Policy("credit2"),
        memctl=policy,
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(period_us=point.number("period_us"), swap_us=410),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def history(run: Observed, guest: str, event: str) -> list[tuple[int, int]]:
    """When the guest had another target (`memory_target`), or other frames: time [ns] and frames."""
    records = run.trace.of(event)
    records = records[records["domain"] == run.domains[guest]]
    return [(int(time), int(a)) for time, a in zip(records["time"], int64(records["a"]))]


def begun(run: Observed) -> int:
    """When the control plane begins to create the taker."""
    return run.run.landmark.started + HEAD_START_NS


def response(run: Observed) -> float | None:
    """From the first target below what the giver has to the instant at which it has no more than its target [ns]."""
    rows = [(time, 0, a) for time, a in history(run, "giver", "memory_target")]
    for event in ("memory_release", "memory_grant"):
        rows += [(time, 1, a) for time, a in history(run, "giver", event)]
    target = has = 0
    asked: int | None = None
    for time, what, value in sorted(rows):
        target, has = (value, has) if what == 0 else (target, value)
        if time < begun(run):
            continue
        if asked is None and has > target:
            asked = time
        elif asked is not None and has <= target:
            if what == 1:
                return float(time - asked)
            asked = None  # the policy took its wish back
    return None


def asked(run: Observed) -> float:
    """Frames that the giver was asked for by its lowest target [MiB]."""
    targets = [a for time, a in history(run, "giver", "memory_target") if time >= begun(run)]
    before = [a for time, a in history(run, "giver", "memory_grant") if time < begun(run)]
    return max(before[-1] - min(targets, default=before[-1]), 0) / FRAMES_PER_MIB


def turns(values: list[int], noise: float) -> int:
    """How often a series that moved one way moves back by more than `noise`."""
    count, way = 0, 0
    extreme = values[0] if values else 0
    for value in values[1:]:
        moved = value - extreme
        if (way == 0 and abs(moved) > noise) or moved * way < -noise:
            count += way != 0
            way = int(np.sign(moved))
            extreme = value
        elif moved * way > 0:
            extreme = value
    return count


def reversals(run: Observed) -> int:
    """The most of any guest's targets once the taker is there."""
    start, noise = begun(run), NOISE * MOST_MIB * FRAMES_PER_MIB
    return max(
        turns([a for time, a in history(run, guest, "memory_target") if time >= start], noise)
        for guest in run.guests
    )


def withheld(run: Observed) -> float:
    """Of the giver's time, at the end [%]."""
    return run.run.landmark.ledger["giver"].withheld / 10


METRICS = (
    Metric(
        "response", "ns", "from a lower target to the frames being free; none: never, or not asked", response
    ),
    Metric("asked", "MiB", "memory that the first guest was asked for", asked),
    Metric("reversals", "1", "times that a guest's target moved back, at most", reversals),
    Metric("withheld", "%", "part of the first guest's time that is withheld at the end", withheld),
    Metric(
        "frames",
        "MiB",
        "memory of each guest at the end",
        lambda run: {
            guest: run.run.landmark.ledger[guest].frames_owned / FRAMES_PER_MIB for guest in run.guests
        },
    ),
)

FIGURE = Lines(
    name="balloon_response",
    caption=(
        "A guest has all memory; another one comes and wants a part. (a) Time from the first lower target until the first "
        "guest has no more than its target; no marker: it was not asked, or its balloon is stuck. (b) Memory that the "
        "second guest has at the end. (c) Part of the first guest's time that is withheld then."
    ),
    x="memctl",
    x_label="memory policy",
    series="balloon",
    panels=(
        Panel(
            path="response",
            quantity=Quantity("time [ms]", factor=1e-6, log=True),
            title="(a) time to respond",
        ),
        Panel(path="frames.taker", quantity=Quantity("memory [MiB]"), title="(b) memory of the second guest"),
        Panel(path="withheld", quantity=Quantity("time withheld [%]"), title="(c) time of the first guest"),
    ),
    wide=True,
)

EXPERIMENT = Experiment(
    name="balloon_response",
    title="Response of balloons",
    question="How long does a guest take to give back memory, and do targets settle if it never does?",
    factors=(
        Factor("memctl", "memory policy", POLICIES, ("proportional_share", "idle_tax"), Policies("memory")),
        Factor(
            "balloon", "balloon of the first guest", tuple(BALLOONS), tuple(BALLOONS), Choice(tuple(BALLOONS))
        ),
    ),
    settings=(
        duration(full=2500, quick=1500),
        warm_up(full=1000, quick=700),
        Setting(
            "period_us",
            "time between two looks at the guests' memory",
            "us",
            50_000,
            50_000,
            10_000,
            1_000_000,
        ),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
