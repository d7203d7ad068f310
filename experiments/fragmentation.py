"""Fragmentation: a guest leaves one frame of its own in each 2 MiB of memory; another guest wants memory in extents of 2 MiB.

The fragmenter comes first, takes all that its target allows, and gives back all but one machine frame of each 2 MiB. It has
next to no memory then, and no policy finds it over its target. What protects the other guest is the place of its memory: a zone
in which no frame is the fragmenter's. The machine has contiguous zones, and the memory policy decides who gets frames of which.
"""

from __future__ import annotations

from bulkhead import MIB, Machine, Paging, Policy, TimelineEntry
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics.trace import int64

POLICIES = ("first_fit", "static_partition", "proportional_share", "min_max", "pressure", "coloring")
FRAGMENTER = {"none": None, "fragmenter": "keep=512"}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 116, 32, 16  # 32 MiB are for guests
ZONES = 4
FIRST_MIB, MOST_MIB = 1, 28  # of each guest
EXTENTS = 3  # that the victim wants: as many as a zone has beside its first memory
ARRIVAL_NS = 400_000_000  # of the victim; the fragmenter has taken and given back by then
RESERVED = {
    "min_max": {"min": FIRST_MIB + 2 * EXTENTS}
}  # policies that can be told what the victim is to have


def machine(point: Point) -> Machine:
    """The victim is created once the fragmenter has done its work. Equal weights."""
    policy, options = point.policy("memctl"), FRAGMENTER[point.text("corunners")]
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": MOST_MIB * MIB}
    others = () if options is None else (small_guest("fragmenter", "memory_fragment", options, **sizes),)
    victim = small_guest(
        "victim",
        "extents",
        f"want={EXTENTS} pause_us=2000",
        **sizes,
        memctl=RESERVED.get(policy.name, {}),
    )
    return Machine(
        guests=(*others, victim),
        absent=("victim",),
        timeline=(TimelineEntry(ARRIVAL_NS, "create", "victim"),),
        sched=Policy("credit2"),
        memctl=policy,
        pcpus=2,
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(zones=ZONES, period_us=20_000, swap_us=1_000_000, sampled=0, by_force=0),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def requests(run: Observed) -> list[int]:
    """Of each request for an extent in the window: how long it took [ns]; 0: it was refused."""
    marks = run.marks("victim", "extent")
    return [int(took) for took in marks["b"][run.window.holds(int64(marks["time"]))]]


def granted(run: Observed) -> float | None:
    """Part of the requests [%]."""
    asked = requests(run)
    return 100 * sum(took > 0 for took in asked) / len(asked) if asked else None


def cost(run: Observed) -> float | None:
    """Of an extent that the victim got: mean time of the request [ns]; None if it got none."""
    took = [took for took in requests(run) if took > 0]
    return sum(took) / len(took) if took else None


METRICS = (
    Metric("granted", "%", "requests for 2 MiB extents that are granted", granted),
    Metric("cost", "ns", "time that a granted extent takes, mean; none: no extent is granted", cost),
    Metric("requests", "1", "requests in the window", lambda run: len(requests(run))),
    Metric(
        "held",
        "MiB",
        "memory of each guest at the end",
        lambda run: {guest: run.run.landmark.ledger[guest].frames_owned / 256 for guest in run.guests},
    ),
    share_metric(),
)

FIGURE = Lines(
    name="fragmentation",
    caption=(
        "A guest wants three extents of 2 MiB. Before, another guest took all memory that its target allowed, and gave "
        "back all but one machine frame in each 2 MiB. Memory has four contiguous zones. (a) Requests that are granted. "
        "(b) Time that a granted one takes; no marker: none is granted."
    ),
    x="corunners",
    x_label="co-runner",
    series="memctl",
    panels=(
        Panel(path="granted", quantity=Quantity("requests granted [%]"), title="(a) extents of 2 MiB"),
        Panel(path="cost", quantity=Quantity("time [us]", factor=1e-3), title="(b) cost"),
    ),
)

EXPERIMENT = Experiment(
    name="fragmentation",
    title="Fragmentation of memory",
    question="Does a guest still get extents of 2 MiB beside one that keeps a frame in each?",
    factors=(
        Factor("memctl", "memory policy", POLICIES, ("first_fit", "coloring"), Policies("memory")),
        Factor(
            "corunners",
            "co-runner",
            tuple(FRAGMENTER),
            tuple(FRAGMENTER),
            Choice(tuple(FRAGMENTER)),
        ),
    ),
    settings=(duration(full=1500, quick=800), warm_up(full=600, quick=550)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
    hypervisor_only="frames of the simulator have no place, so that it has no extents",
)
