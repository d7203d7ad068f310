"""Neighbouring pCPUs: what a guest with a pCPU of its own loses when the others get busy. On parallel processors: nothing.

What is left beyond locks of the hypervisor would be the emulator's (docs/decisions/0008-turns.md).
"""

from __future__ import annotations

from bulkhead import Guest, Machine
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Point,
    Policies,
    drain,
    duration,
    small_guest,
    summary,
    throughput_metric,
    warm_up,
)
from bulkhead.figures import Heat, Panel, Quantity

NOISE = {
    "none": None,
    "compute": "cpu_hog",
    "page tables": "page_tables",
    "calls": "call_storm",
    "faults": "loop_fault",
    "events": "event_storm",
}
VICTIMS = {
    "compute": "mark_ops=10",
    "page_tables": "mark_changes=10",
    "periodic": "period_us=1000 work_us=50",
}
BUSY = {"1 of 1": (1, 2), "1 of 3": (1, 4), "2 of 3": (2, 4), "3 of 3": (3, 4)}  # busy others, pCPUs
NS_PER_US = 1_000


def noisy(kind: str | None, count: int) -> tuple[Guest, ...]:
    """One guest for each of the next pCPUs."""
    if kind is None:
        return ()
    return tuple(small_guest(f"noise{i}", kind, affinity=(i,)) for i in range(1, count + 1))


def machine(point: Point) -> Machine:
    """The victim on pCPU 0, and one noisy guest on each of some others."""
    busy, pcpus = BUSY[point.text("busy")]
    victim = point.text("victim")
    return Machine(
        guests=(
            small_guest("victim", victim, VICTIMS[victim], affinity=(0,)),
            *noisy(NOISE[point.text("noise")], busy),
        ),
        sched=point.policy("sched"),
        pcpus=pcpus,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def is_periodic(point: Point) -> bool:
    """Points whose victim is the periodic task."""
    return point.text("victim") == "periodic"


def is_busy(point: Point) -> bool:
    """Points whose victim works all the time."""
    return not is_periodic(point)


QUIET = {"noise": "none"}

FIGURE = Heat(
    name="neighbour_pcpu",
    caption=(
        "A guest on its own pCPU while others are busy with one kind of work: (a) loss of a computing guest, (b) of one that "
        "changes its page tables, (c) what the p99 of a periodic task's start grows by. Zero is right."
    ),
    rows="noise",
    columns="busy",
    x_label="other pCPUs that are busy",
    panels=(
        Panel("loss", Quantity("loss of throughput [%]"), "(a) compute", where={"victim": "compute"}),
        Panel("loss", Quantity("loss of throughput [%]"), "(b) page tables", where={"victim": "page_tables"}),
        Panel(
            "later",
            Quantity("p99 of start, later by [us]", factor=1e-3),
            "(c) periodic",
            where={"victim": "periodic"},
        ),
    ),
)

EXPERIMENT = Experiment(
    name="neighbour_pcpu",
    title="Neighbouring pCPUs",
    question="What does a guest with a pCPU of its own lose when other pCPUs get busy?",
    factors=(
        Factor("victim", "the victim's workload", tuple(VICTIMS), tuple(VICTIMS), Choice(tuple(VICTIMS))),
        Factor(
            "noise",
            "work of the other pCPUs",
            tuple(NOISE),
            ("none", "compute", "events"),
            Choice(tuple(NOISE)),
        ),
        Factor("busy", "other pCPUs that are busy", tuple(BUSY), ("1 of 1", "3 of 3"), Choice(tuple(BUSY))),
        Factor("sched", "scheduler", ("credit",), ("credit",), Policies("scheduler")),
    ),
    settings=(duration(full=400, quick=300), warm_up(full=100, quick=100), drain(full=20, quick=20)),
    machine=machine,
    metrics=(
        throughput_metric("victim", is_busy),
        Metric(
            "start",
            "ns",
            "from the release of a job to its first instruction",
            lambda run: summary(run.job_start("victim")),
            is_periodic,
        ),
    ),
    comparisons=(
        Comparison(
            "loss",
            "%",
            "throughput lost against idle neighbours",
            "throughput",
            QUIET,
            lambda here, there: 100 * (1 - here / there),
        ),
        Comparison(
            "later",
            "ns",
            "p99 of the start against idle neighbours",
            "start.p99",
            QUIET,
            lambda here, there: here - there,
        ),
    ),
    figures=(FIGURE,),
    samples=10,
    hypervisor_only="the simulator's pCPUs are parallel by construction",
)
