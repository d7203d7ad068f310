"""Deadline misses of real-time guests against their load, next to hogs.

After Xi et al., "Real-time multi-core virtual machine scheduling in Xen", EMSOFT 2014. Four guests have a task each, with periods
of 10, 20, 20 and 40 ms. `load` is the CPU time of all their jobs, in per cent of the pCPU. Under `rtds` each task has a server:
its period is a quarter of the task's, and its budget covers the task in any window of that period (Shin and Lee, RTSS 2003).
Under `table` each task has a slot of the planner's. The theory says whether the load fits; the experiment counts the misses.
"""

from __future__ import annotations

from bulkhead import Machine, SpecError
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    drain,
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.model.planner import Reservation, plan
from bulkhead.model.schedulability import Server

PERIODS_US = (10_000, 20_000, 20_000, 40_000)
PARTS = (30, 30, 20, 20)  # of the load, per cent
TASKS = tuple(f"task{i + 1}" for i in range(len(PERIODS_US)))
SERVERS = 4  # server periods in a task's period
OVERHEAD_US = 60  # of each slot or budget: switch, timer, upcall, the guest's own entry; and one least slice over a period
POLICIES = ("rtds", "table", "credit", "credit2")


def work_us(point: Point, task: int) -> int:
    """CPU time of each job."""
    return PERIODS_US[task] * point.number("load") * PARTS[task] // 10_000


def server(point: Point, task: int) -> dict[str, int]:
    """The least budget, in a quarter of the period, that holds the job in any window as long as its period."""
    period = PERIODS_US[task] // SERVERS
    need = work_us(point, task)
    budget = next(
        (b for b in range(1, period + 1) if Server(b, period).supply(PERIODS_US[task]) >= need), period
    )
    return {"budget": min(period, budget + OVERHEAD_US), "period": period}


def slots(point: Point) -> dict[str, dict[str, int]]:
    """The slot of each task under `table`; empty if the planner finds no table."""
    wanted = [
        Reservation(name, work_us(point, i) + OVERHEAD_US * PERIODS_US[i] // PERIODS_US[0], PERIODS_US[i])
        for i, name in enumerate(TASKS)
    ]
    try:
        return {name: slot.parameters() for name, slot in plan(wanted).items()}
    except SpecError:
        return {}


def reservation(point: Point, task: int) -> dict[str, int]:
    """The scheduler's domain parameters of a task."""
    policy = point.text("sched")
    if policy == "rtds":
        return server(point, task)
    return slots(point).get(TASKS[task], {}) if policy == "table" else {}


def admitted(run: Observed) -> int:
    """1 if the theory promises that no deadline is missed, else 0."""
    policy, point = run.point.text("sched"), run.point
    if policy == "rtds":
        servers = [server(point, i) for i in range(len(TASKS))]
        return int(sum(s["budget"] / s["period"] for s in servers) <= 1.0)
    return int(policy == "table" and bool(slots(point)))


def machine(point: Point) -> Machine:
    """The four tasks and two hogs on one pCPU."""
    tasks = tuple(
        small_guest(
            name,
            "periodic",
            f"period_us={PERIODS_US[i]} work_us={work_us(point, i)}",
            sched=reservation(point, i),
        )
        for i, name in enumerate(TASKS)
    )
    hogs = tuple(small_guest(f"hog{i + 1}", "cpu_hog") for i in range(2))
    return Machine(
        guests=tasks + hogs,
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def missed(run: Observed) -> float:
    """Per cent of all jobs that ended after their next release."""
    late = total = 0
    for i, name in enumerate(TASKS):
        responses = run.job_response(name)
        total += len(responses.samples) + responses.unfinished
        late += int((responses.samples > PERIODS_US[i] * 1_000).sum()) + responses.unfinished
    return 100.0 * late / total


FIGURE = Lines(
    name="deadline_misses",
    caption=(
        "Four guests with a periodic task each (10, 20, 20 and 40 ms) and two hogs on one pCPU. rtds and table miss no deadline "
        "at the loads that their theory admits (`admitted` in the result)."
    ),
    x="load",
    x_label="CPU time that the tasks need [%]",
    series="sched",
    panels=(Panel("missed", Quantity("deadlines missed [%]"), "deadlines"),),
)

EXPERIMENT = Experiment(
    name="deadline_misses",
    title="Deadline misses",
    question="Up to which load do real-time guests meet their deadlines next to hogs?",
    factors=(
        Factor("sched", "scheduler", POLICIES, ("rtds", "table", "credit"), Policies("scheduler")),
        Factor(
            "load",
            "CPU time of all tasks together",
            (20, 40, 60, 70, 80, 90, 95),
            (40, 60, 80),
            Whole(4, 99),
            "%",
        ),
    ),
    settings=(duration(full=2000, quick=800), warm_up(full=300, quick=200), drain(full=100, quick=100)),
    machine=machine,
    metrics=(
        Metric("missed", "%", "jobs that ended after their next release", missed),
        Metric(
            "admitted", "1", "1 if the policy's theory promises that no deadline is missed, else 0", admitted
        ),
        share_metric(),
    ),
    comparisons=(),
    figures=(FIGURE,),
)
