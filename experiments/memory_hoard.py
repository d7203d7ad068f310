"""Memory hoarding: a guest takes all the memory it can get and leaves it idle; another guest comes to need it.

Small guests whose balloons move, with a model of paging: to read a page that it had paged out takes a guest 410 us, as a read
of the modelled disk. The hypervisor samples no use of pages and takes no frame by force, so neither does the simulator here.
"""

from __future__ import annotations

from bulkhead import MIB, Machine, Paging, Policy
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
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import degradation
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
CORUNNERS = {
    "none": None,
    "hoarder": "memory_hoard",
    "stubborn": "memory_hoard stubborn=1",
    "thrasher": "memory_thrash",
}
MACHINE_MIB, DOM0_MIB, TRACE_MIB = 180, 32, 64  # 65 MiB are for guests
FIRST_MIB = 4  # of each guest, which does not page them
CORUNNER_MIB, VICTIM_MIB, SET_MIB = 60, 48, 40
NEED_MIB = FIRST_MIB + SET_MIB
HEAD_START_NS = 250_000_000  # of the co-runner, which has taken what it can get by then
RESERVED = {"min_max": {"min": NEED_MIB}}  # policies that can be told what the victim is to have
FRAMES_PER_MIB = 256
MILLISECOND = 1_000_000


def machine(point: Point) -> Machine:
    """The co-runner starts first; the victim's working set grows to 40 MiB after a while. Equal weights."""
    policy, corunner = point.policy("memctl"), CORUNNERS[point.text("corunners")]
    sizes = {"memory": FIRST_MIB * MIB, "max_memory": CORUNNER_MIB * MIB}
    others = () if corunner is None else (small_guest("corunner", *corunner.split(), **sizes),)
    victim = small_guest(
        "victim",
        "memory",
        f"set_mib={SET_MIB} grow_ms={point.number('grow_ms')} mark_ops=100 work_us=5",
        **sizes | {"max_memory": VICTIM_MIB * MIB},
        memctl=RESERVED.get(policy.name, {}),
        start=HEAD_START_NS,
    )
    return Machine(
        guests=(*others, victim),
        sched=Policy("credit2"),
        memctl=policy,
        memory=MACHINE_MIB * MIB,
        dom0_memory=DOM0_MIB * MIB,
        paging=Paging(period_us=200_000, swap_us=410, sampled=0, by_force=0),
        trace_bytes=TRACE_MIB * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def time_to_reclaim(run: Observed) -> float | None:
    """From the instant at which the victim needs its whole set until it has frames for it [ns]; None: never."""
    grants = run.trace.of("memory_grant")
    grants = grants[grants["domain"] == run.domains["victim"]]
    enough = grants[int64(grants["a"]) >= NEED_MIB * FRAMES_PER_MIB]
    grown = int(run.marks("victim", "ready")["time"][0]) + run.point.number("grow_ms") * MILLISECOND
    return float(int(enough["time"][0]) - grown) if len(enough) else None


def paging(run: Observed) -> float:
    """Faults of the victim per second that waited for a page."""
    faults = run.marks("victim", "page_fault")
    times = int64(faults["time"][faults["b"] > 0])
    return float(run.window.holds(times).sum()) * 1e9 / run.window.length


def frames(run: Observed) -> dict[str, float]:
    """Frames of each guest at the end, in MiB."""
    return {guest: run.run.landmark.ledger[guest].frames_owned / FRAMES_PER_MIB for guest in run.guests}


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
        Factor("memctl", "memory policy", POLICIES, ("first_fit", "min_max"), Policies("memory")),
        Factor(
            "corunners",
            "co-runner, which was there first",
            tuple(CORUNNERS),
            ("none", "hoarder"),
            Choice(tuple(CORUNNERS)),
        ),
    ),
    settings=(
        duration(full=8000, quick=1500),
        warm_up(full=1500, quick=1000),
        Setting("grow_ms", "when the victim's working set grows", "ms", 1000, 100, 0, 60_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
)
