"""Page-table churn: guests that map and unmap pages as fast as they can, beside one that computes, on one pCPU.

The hypervisor validates each change of a page table. Whoever asks for a change pays for it if the bill is right: the computing
guest keeps its part of the pCPU, however many others churn, and the hypervisor's work shows in the churners' accounts.
"""

from __future__ import annotations

from bulkhead import Machine
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity

SCHEDULERS = ("credit", "credit2", "bvt", "stride", "eevdf")
CHURNERS = (1, 4, 8)


def churners(point: Point) -> tuple[str, ...]:
    """Their names."""
    return tuple(f"churns{i + 1}" for i in range(point.number("churners")))


def machine(point: Point) -> Machine:
    """One guest that computes, the others churn; all of one weight."""
    return Machine(
        guests=(
            small_guest("computes", "cpu_hog"),
            *(small_guest(name, "page_tables") for name in churners(point)),
        ),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def parts(run: Observed) -> dict[str, float]:
    """Part of the pCPU time of the whole run: the two kinds of guests, the hypervisor for each, nobody."""
    mark = run.run.landmark
    whole = sum(pcpu.wall_ns for pcpu in mark.pcpus)
    others = [mark.ledger[name] for name in churners(run.point)]
    return {
        "computes": mark.ledger["computes"].guest_ns / whole,
        "for it": mark.ledger["computes"].hypervisor_ns / whole,
        "churn": sum(row.guest_ns for row in others) / whole,
        "for them": sum(row.hypervisor_ns for row in others) / whole,
        "nobody": sum(pcpu.unbilled_ns for pcpu in mark.pcpus) / whole,
    }


def error(run: Observed) -> float:
    """How far the computing guest, with the hypervisor's work for it, is from its part of what all guests got."""
    found = parts(run)
    guests = sum(found.values()) - found["nobody"]
    due = guests / (1 + len(churners(run.point)))
    return 100 * ((found["computes"] + found["for it"]) / due - 1)


def changes(run: Observed) -> float:
    """Of entries, by all churners."""
    return sum(float(run.progress(name).per_second or 0) for name in churners(run.point))


METRICS = (
    Metric("error", "%", "computing guest's CPU time beyond what it is due, relative to that", error),
    Metric("part", "1", "part of the pCPU time by whom it served, over the whole run", parts),
    Metric(
        "foreign",
        "%",
        "pCPU time that the hypervisor worked for the computing guest",
        lambda run: 100 * parts(run)["for it"],
    ),
    Metric(
        "validation",
        "%",
        "hypervisor's part of the time of those that churn",
        lambda run: 100 * parts(run)["for them"] / (parts(run)["for them"] + parts(run)["churn"]),
    ),
    Metric("unbilled", "%", "pCPU time that nobody is billed for", lambda run: 100 * parts(run)["nobody"]),
    Metric("changes", "1/s", "changes of page-table entries per second, all guests together", changes),
    share_metric(),
)

FIGURE = Lines(
    name="page_table_churn",
    caption=(
        "A guest computes beside guests that change page tables all the time, of equal weight on one pCPU. (a) How far the "
        "computing guest is from its part. (b) The hypervisor's part of the time of those that churn: what they pay for "
        "validation. (c) Time that nobody was billed for."
    ),
    x="churners",
    x_label="guests that change page tables",
    series="sched",
    panels=(
        Panel(path="error", quantity=Quantity("error of the share [%]"), title="(a) the guest that computes"),
        Panel(
            path="validation",
            quantity=Quantity("validation [% of their time]"),
            title="(b) the guests that churn",
        ),
        Panel(path="unbilled", quantity=Quantity("unbilled [%]"), title="(c) unbilled"),
    ),
)

EXPERIMENT = Experiment(
    name="page_table_churn",
    title="Page-table churn",
    question="Who pays for the validation of page tables?",
    factors=(
        Factor("sched", "scheduler", SCHEDULERS, ("credit2", "stride"), Policies("scheduler")),
        Factor("churners", "guests that change page tables", CHURNERS, (1, 4), Whole(1, 16)),
    ),
    settings=(duration(full=2000, quick=1000), warm_up(full=400, quick=300)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
    hypervisor_only="the simulator has no page tables",
)
