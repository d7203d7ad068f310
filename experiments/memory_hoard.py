"""Memory hoarding: a guest takes all the memory it can get and leaves it idle; another guest comes to need it.

In the simulator, with its model of paging (`bulkhead.Paging`). A page that a guest had paged out costs it 410 us, a read of
the modelled disk.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, Machine, Paging, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Setting,
    duration,
    share_metric,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import degradation
from bulkhead.metrics.trace import int64

POLICIES = ("first_fit", "static_partition", "proportional_share", "min_max", "idle_tax", "working_set")
CORUNNERS = {
    "none": None,
    "hoarder": "model:memory_hoard",
    "stubborn": "model:memory_hoard stubborn=1",
    "thrasher": "model:memory_thrash",
}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 180, 32, 64  # 65 MiB are for guests
CORUNNER_MIB, VICTIM_MIB, SET_MIB = 60, 48, 40
FRAMES_PER_MIB = 256
MILLISECOND = 1_000_000


def machine(point: Point) -> Machine:
    """The co-runner is there first; the victim's working set grows to 40 MiB after a while. Equal weights."""
    corunner = CORUNNERS[point.text("corunners")]
    others = []
    if corunner is not None:
        kernel, _, options = corunner.partition(" ")
        others.append(Guest("corunner", kernel, options, memory=CORUNNER_MIB * MIB))
    victim = Guest(
        "victim",
        "model:memory",
        f"set_mib={SET_MIB} grow_ms={point.number('grow_ms')} mark_ops=100 work_us=5",
        memory=VICTIM_MIB * MIB,
    )
    return Machine(
        guests=(*others, victim),
        sched=Policy("credit2"),
        memctl=point.policy("memctl"),
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(period_us=200_000, swap_us=410),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def time_to_reclaim(run: Observed) -> float | None:
    """From the instant at which the victim needs its whole set until it has frames for it [ns]; None: never."""
    faults = run.trace.of("memory_fault")
    faults = faults[faults["domain"] == run.domains["victim"]]
    enough = faults[int64(faults["a"]) >= SET_MIB * FRAMES_PER_MIB]
    grown = int(run.marks("victim", "ready")["time"][0]) + run.point.number("grow_ms") * MILLISECOND
    return float(int(enough["time"][0]) - grown) if len(enough) else None


def paging(run: Observed) -> float:
    """Faults of the victim per second that waited for a page."""
    faults = run.trace.of("memory_fault")
    waited = (faults["domain"] == run.domains["victim"]) & (faults["b"] > 0)
    times = int64(faults["time"][waited])
    return float(run.window.holds(times).sum()) * 1e9 / run.window.length


def frames(run: Observed) -> dict[str, int]:
    """Frames of each guest at the end, in MiB."""
    return {guest: run.run.landmark.ledger[guest].frames_owned // FRAMES_PER_MIB for guest in run.guests}


METRICS = (
    Metric(
        "throughput",
        "op/s",
        "pages that the victim uses per second, once it needs its whole set",
        lambda run: run.progress("victim").per_second,
    ),
    Metric("reclaim", "ns", "time until the victim has its whole set; none: never", time_to_reclaim),
    Metric("paging", "1/s", "page-ins of the victim per second", paging),
    Metric("frames", "MiB", "memory of each guest at the end", frames),
    share_metric(),
)

ALONE = {"corunners": "none"}

COMPARISONS = (Comparison("lost", "%", "victim's loss of throughput", "throughput", ALONE, degradation),)

FIGURE = Lines(
    name="memory_hoard",
    caption=(
        "A guest comes to need 40 MiB. Its co-runner had all memory before: a hoarder that gives back when asked, one "
        "that never does, or a guest that gives back and takes again. (a) Pages used per second afterwards. "
        "(b) Time until the guest has 40 MiB; no marker: never."
    ),
    x="corunners",
    x_label="co-runner",
    series="memctl",
    panels=(
        Panel(
            path="throughput",
            quantity=Quantity("pages used [1000/s]", factor=1e-3, log=True),
            title="(a) throughput",
        ),
        Panel(
            path="reclaim", quantity=Quantity("time to reclaim [s]", factor=1e-9), title="(b) time to reclaim"
        ),
    ),
)

EXPERIMENT = Experiment(
    name="memory_hoard",
    title="Memory hoarding",
    question="How long does a guest that needs memory wait next to one that hoards it, and how much throughput does it lose?",
    factors=(
        Factor("memctl", "memory policy", POLICIES, ("first_fit", "idle_tax"), Policies("memory")),
        Factor(
            "corunners",
            "co-runner, which was there first",
            tuple(CORUNNERS),
            ("none", "hoarder"),
            Choice(tuple(CORUNNERS)),
        ),
    ),
    settings=(
        duration(full=8000, quick=4000),
        warm_up(full=1500, quick=1000),
        Setting("grow_ms", "when the victim's working set grows", "ms", 1000, 500, 0, 60_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    simulator_only="the hypervisor does not yet support memory policies",
)
