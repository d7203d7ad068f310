"""Agreement of simulator and hypervisor on memory: every memory experiment's quick points on both, under every memory policy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bulkhead import Machine
from bulkhead.experiment import BACKEND, Choice, Experiment, Factor, Point, Policies, Settling
from bulkhead.experiment.back_ends import Reasons, distances, heat, known_reason, metrics, observer
from bulkhead.experiment.cases import CASE, derive
from bulkhead.policy.tables import built_policies
from bulkhead.result import Result
from bulkhead.result.agreement import MEMORY_KINDS, Pair, scattered, table

NAME = "agreement_memory"
MEMORY = "memctl"
CASES = derive(NAME, {}, "memory")
QUICK = ("idle_tax 75", "memory_hoard none", "memory_hoard hoarder", "memory_hog memory hog")
ERRATIC = ("chaos",)  # makes faults at random
POLICIES = tuple(sorted(name for name in built_policies("memory") if name not in ERRATIC))
REASONS: Reasons = ()


def machine(point: Point) -> Machine:
    """The machine of a case."""
    return CASES[point.text(CASE)].machine(point)


def excludes(point: Point) -> str | None:
    """What the case's own experiment leaves out."""
    case = CASES[point.text(CASE)]
    return case.experiment.excludes(case.inner(point)) if case.experiment.excludes is not None else None


def reason(levels: Mapping[str, int | str], pair: Pair) -> str | None:
    """The reason for an outlier, if it is known."""
    return known_reason(REASONS, str(levels[MEMORY]), str(levels[CASE]), pair)


def document(result: Result) -> str:
    """The table of agreement."""
    return table(result, BACKEND, MEMORY, reason, MEMORY_KINDS)


EXPERIMENT = Experiment(
    name=NAME,
    title="Agreement of the two back ends on memory",
    question="How far are the simulator's amounts of memory and times to reclaim from those measured on the hypervisor?",
    factors=(
        Factor(BACKEND, "back end", ("qemu", "sim"), ("qemu", "sim"), Choice(("qemu", "sim"))),
        Factor(MEMORY, "memory policy", POLICIES, ("first_fit", "idle_tax", "min_max"), Policies("memory")),
        Factor(CASE, "experiment and its quick levels", tuple(CASES), QUICK, Choice(tuple(CASES))),
    ),
    settings=(),
    machine=machine,
    metrics=metrics(MEMORY_KINDS),
    comparisons=(),
    median_comparisons=distances(MEMORY_KINDS),
    figures=tuple(
        heat(kind, MEMORY_KINDS, f"{NAME}_{kind}", (MEMORY, "memory policy"), "1 or 2 pCPUs", {})
        for kind in ("memory", "time")
    ),
    samples=3,
    settling=Settling(most=9, apart=partial(scattered, kinds=MEMORY_KINDS)),
    observe=observer(CASES),
    excludes=excludes,
    table=document,
)
