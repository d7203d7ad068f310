"""Equal servers on two pCPUs under global EDF: up to which budget does each of them get all of it?

After Goossens, Funk, Baruah, "Priority-driven scheduling of periodic task systems on multiprocessors", Real-Time Systems 2003: on
m processors global EDF keeps every promise if the utilisations add up to at most m (1 - u) + u, where u is the largest of them.
For three equal servers on two pCPUs that is a budget of half a period. Above the bound the phases of the servers decide.
"""

from __future__ import annotations

from bulkhead import Machine, Policy
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Whole,
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity

PERIOD_MS = 30
PCPUS = 2
US_PER_MS = 1_000


def machine(point: Point) -> Machine:
    """Guests that always compute. No time beyond the budgets is given away, so that a share is a supply."""
    budget = {"budget": point.number("budget") * US_PER_MS, "period": PERIOD_MS * US_PER_MS}
    return Machine(
        guests=tuple(
            small_guest(f"server{i + 1}", "cpu_hog", sched=budget) for i in range(point.number("servers"))
        ),
        sched=Policy("rtds", {"extra": 0}),
        pcpus=PCPUS,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def supplied(run: Observed) -> float:
    """What the server with the least got [% of its budget]."""
    least = min(run.share(guest.name for guest in run.run.machine.guests).values())
    return 100.0 * least * run.run.machine.pcpus * PERIOD_MS / run.point.number("budget")


def promised(run: Observed) -> int:
    """1 if the bound of global EDF promises each server its budget, else 0."""
    servers, budget = run.point.number("servers"), run.point.number("budget")
    return int(servers * budget <= PCPUS * (PERIOD_MS - budget) + budget)


def excludes(point: Point) -> str | None:
    """More than the pCPUs have can be given to nobody."""
    fits = point.number("servers") * point.number("budget") <= PCPUS * PERIOD_MS
    return None if fits else "the budgets are more than two pCPUs have"


FIGURE = Lines(
    name="global_edf",
    caption=(
        "Three, four and five guests (the legend) that always compute, with the same budget in each period of 30 ms, on two "
        "pCPUs under rtds. Up to 15, 12 and 10 ms global EDF promises each its budget. Above that the phases of the periods "
        "decide what the least gets."
    ),
    x="budget",
    x_label="budget of each server [ms of 30 ms]",
    series="servers",
    panels=(Panel("supplied", Quantity("least supply [% of the budget]"), "supply"),),
)

EXPERIMENT = Experiment(
    name="global_edf",
    title="Servers on two pCPUs",
    question="Up to which budget does each of some equal servers on two pCPUs get all of it?",
    factors=(
        Factor("servers", "guests with a budget", (3, 4, 5), (3,), Whole(1, 30)),
        Factor(
            "budget",
            "budget of each server in a period of 30 ms",
            (8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20),
            (15, 20),
            Whole(1, 30),
            "ms",
        ),
    ),
    settings=(duration(full=2000, quick=1000), warm_up(full=200, quick=200)),
    machine=machine,
    metrics=(
        Metric("supplied", "%", "least that a server got, of its budget", supplied),
        Metric(
            "promised", "1", "1 if the bound of global EDF promises each server its budget, else 0", promised
        ),
        share_metric(),
    ),
    comparisons=(),
    figures=(FIGURE,),
    samples=20,
    excludes=excludes,
)
