"""CPU and disk weights together: eight guests with weights 1 to 8, whose work needs both the CPU and the drive.

After Barham et al., "Xen and the Art of Virtualization", SOSP 2003, figure 5. There, eight database guests with CPU weights 1 to
8 shared information retrieval (IR) within 4 % of their weights. Transactions (OLTP), bound by the disk, were not proportional,
and the guests together did 22 % less than with equal weights, since the disk's scheduler knew no weights. Here a weight counts
at the CPU and at the drive. Each transaction is a random read of 4 KiB and then some CPU time.
"""

from __future__ import annotations

from bulkhead import MIB, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity, Reference
from bulkhead.result.model import Level

GUESTS = 8
UNIT = 64  # a weight of 1
DEPTH = 4  # transactions that a guest has under way
# CPU time of a transaction in us; its read takes 410 us of the drive.
LOADS = {"disk": 40, "both": 400, "cpu": 1000}
POLICIES = ("fifo", "drr", "sfq", "mclock")
SOURCE = "Barham et al., SOSP 2003"
EQUAL, STEPS = "equal", "1 to 8"


def weights(point: Point) -> dict[str, int]:
    """Each guest's weight."""
    steps = point.text("weights") == STEPS
    return {f"g{i}": i if steps else 1 for i in range(1, GUESTS + 1)}


def machine(point: Point) -> Machine:
    """The guests, with one pCPU and one drive for all."""
    work = LOADS[point.text("load")]
    return Machine(
        guests=tuple(
            small_guest(
                name,
                "disk",
                f"depth={DEPTH} work_us={work}",
                weight=UNIT * weight,
                disks=(GuestDisk(4 * MIB),),
            )
            for name, weight in weights(point).items()
        ),
        sched=Policy("credit2"),
        ringctl=point.policy("ringctl"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def rates(run: Observed) -> dict[str, float]:
    """Transactions of each guest per second."""
    return {name: run.progress(name).per_second or 0.0 for name in run.guests}


def per_weight(run: Observed) -> dict[str, float]:
    """Each guest's part of all transactions over the part of its weight."""
    found, given = rates(run), weights(run.point)
    total, whole = sum(found.values()), sum(given.values())
    return {name: (rate / total) / (given[name] / whole) for name, rate in found.items()}


METRICS = (
    Metric("rate", "1/s", "transactions of each guest per second", rates),
    Metric("total", "1/s", "transactions of all guests per second", lambda run: sum(rates(run).values())),
    Metric("due", "1", "each guest's part of the transactions over the part of its weight", per_weight),
    Metric(
        "error",
        "%",
        "largest difference of a guest's part from the part of its weight, relative to that",
        lambda run: 100 * max(abs(each - 1) for each in per_weight(run).values()),
    ),
)

COMPARISONS = (
    Comparison(
        "kept",
        "1",
        "transactions of all guests over those with equal weights",
        "total",
        {"weights": EQUAL},
        lambda here, there: here / there,
    ),
)


def published(low: float, value: float, high: float) -> Reference:
    """What the paper says of OLTP."""
    values: dict[Level, tuple[float, float, float]] = {"disk": (low, value, high)}
    return Reference("Xen 2003, OLTP", SOURCE, values)


STEPPED = {"weights": STEPS}

FIGURE = Lines(
    name="sosp03_disk",
    caption=(
        f"Eight guests with CPU and disk weights 1 to 8, each with {DEPTH} transactions under way: a random read of 4 KiB (410 "
        "us of the modelled drive), then CPU time of 40 us (disk), 400 us (both) or 1 ms (cpu). (a) Largest relative error of a "
        "guest's part of all transactions against its weight. (b) All transactions over those of eight guests with equal "
        "weights. Red mark: what weights of the CPU alone kept in the paper."
    ),
    x="load",
    x_label="what a transaction mostly needs",
    series="ringctl",
    panels=(
        Panel(
            path="error",
            quantity=Quantity("error of a share [%]", log=True),
            title="(a) shares",
            where=STEPPED,
        ),
        Panel(
            path="kept",
            quantity=Quantity("throughput kept"),
            title="(b) together",
            where=STEPPED,
            references=(published(0.78, 0.78, 0.78),),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="sosp03_disk",
    title="CPU and disk weights together",
    question="Does each guest get the part of its weight where its work needs both the CPU and the drive?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("fifo", "drr", "sfq"), Policies("ring")),
        Factor("load", "what a transaction mostly needs", tuple(LOADS), tuple(LOADS), Choice(tuple(LOADS))),
        Factor("weights", "weights of the guests", (EQUAL, STEPS), (EQUAL, STEPS), Choice((EQUAL, STEPS))),
    ),
    settings=(duration(full=5000, quick=1500), warm_up(full=500, quick=500)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
)
