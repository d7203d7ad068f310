"""Agreement of simulator and hypervisor: every experiment's quick points on both back ends, under every scheduler."""

from __future__ import annotations

from collections.abc import Mapping

from bulkhead import Machine
from bulkhead.experiment import (
    BACKEND,
    Choice,
    Experiment,
    Factor,
    Point,
    Policies,
    Settling,
    Whole,
)
from bulkhead.experiment.back_ends import Reasons, deciding, distances, heat, known_reason, metrics, observer
from bulkhead.experiment.cases import CASE, PCPUS, SCHED, derive
from bulkhead.figures import Heat
from bulkhead.policy.tables import built_policies
from bulkhead.result import Result
from bulkhead.result.agreement import KINDS, Pair, scattered, table

NAME = "agreement"
ALSO = {"wake_latency": {"corunners": ("timer",)}}  # levels of full runs that once differed
CASES = derive(NAME, ALSO)
QUICK = ("allocation_error", "noisy_neighbour responder 1", "theft_of_service", "wake_latency compute timer")
ERRATIC = ("chaos",)  # makes faults at random
SCHEDULERS = tuple(sorted(name for name in built_policies("scheduler") if name not in ERRATIC))

ANY = ".*"
REASONS: Reasons = (
    (
        "credit_sampled",
        ANY,
        ANY,
        "a sampling tick bills whichever vCPU it meets: microseconds decide that, and it holds for whole slices",
    ),
    (
        "round_robin|pinned",
        "ping_tail 16",
        "share .*",
        "guests find each other through xenstore, in turns of 19 vCPUs, which is not simulated",
    ),
    (
        "eevdf",
        "(noisy_neighbour responder|ping_tail) .*",
        ANY,
        "two cycles of turns are possible: the order of two virtual deadlines a microsecond apart chooses one",
    ),
    (ANY, "swap_midrun small", ANY, "credit_sampled serves in it; see there"),
    (
        "bvt",
        "noisy_neighbour compute 4",
        "share .*",
        "two turns of 2 ms more or less in 300 ms are 1.3 points",
    ),
    (
        ANY,
        "billing to nobody 65536",
        "share .*",
        "a fifth of the time is billed to nobody: in whose turn the copying falls decides",
    ),
    (ANY, "ping_tail 16", "latency", "the p99 of 190 pings among 18 guests is the second longest"),
)
# On several pCPUs, where the emulator's processors take turns.
REASONS_ON_SEVERAL: Reasons = (
    (
        ANY,
        "(noisy_neighbour responder|ping_tail) .*",
        "(latency|round_trip|arrival).*",
        "each event from one pCPU to another waits for a turn",
    ),
)


def machine(point: Point) -> Machine:
    """The machine of a case."""
    return CASES[point.text(CASE)].machine(point)


def excludes(point: Point) -> str | None:
    """An experiment that swaps schedulers itself is run once."""
    if CASES[point.text(CASE)].varies_policy or point.text(SCHED) == SCHEDULERS[0]:
        return None
    return "its schedulers are not a factor"


def reason(levels: Mapping[str, int | str], pair: Pair) -> str | None:
    """The reason for an outlier, if it is known."""
    several = REASONS_ON_SEVERAL if int(levels[PCPUS]) > 1 else ()
    return known_reason(REASONS + several, str(levels[SCHED]), str(levels[CASE]), pair)


def document(result: Result) -> str:
    """The table of agreement."""
    return table(result, BACKEND, PCPUS, reason)


def figure(kind: str, pcpus: int) -> Heat:
    """The distances of one kind of numbers."""
    machines = "1 pCPU" if pcpus == 1 else f"{pcpus} pCPUs"
    return heat(kind, KINDS, f"{NAME}_{kind}_{pcpus}", (SCHED, "scheduler"), machines, {PCPUS: pcpus})


FIGURES = tuple(figure(kind, pcpus) for kind in deciding(KINDS) for pcpus in (1, 2, 4))

EXPERIMENT = Experiment(
    name=NAME,
    title="Agreement of the two back ends",
    question="How far are the simulator's shares and latencies from those measured on the hypervisor?",
    factors=(
        Factor(BACKEND, "back end", ("qemu", "sim"), ("qemu", "sim"), Choice(("qemu", "sim"))),
        Factor(PCPUS, "pCPUs", (1, 2, 4), (1,), Whole(1, 8)),
        Factor(SCHED, "scheduler", SCHEDULERS, ("credit", "round_robin", "stride"), Policies("scheduler")),
        Factor(CASE, "experiment and its quick levels", tuple(CASES), QUICK, Choice(tuple(CASES))),
    ),
    settings=(),
    machine=machine,
    metrics=metrics(KINDS),
    comparisons=(),
    median_comparisons=distances(KINDS),
    figures=FIGURES,
    samples=3,
    settling=Settling(most=15, apart=scattered),
    observe=observer(CASES),
    excludes=excludes,
    table=document,
)
