"""Agreement of simulator and hypervisor on disks: every ring experiment's quick points on both, under every ring policy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bulkhead import Machine
from bulkhead.experiment import BACKEND, Choice, Experiment, Factor, Point, Policies, Settling
from bulkhead.experiment.back_ends import Reasons, deciding, distances, heat, known_reason, metrics, observer
from bulkhead.experiment.cases import CASE, derive
from bulkhead.policy.tables import built_policies
from bulkhead.result import Result
from bulkhead.result.agreement import RING_KINDS, Pair, scattered, table

NAME = "agreement_rings"
RING = "ringctl"
CASES = derive(NAME, {}, "ring")
QUICK = ("io_isolation flood", "limiter_abuse rings", "mclock_reservations 1200", "ring_limits 512")
ERRATIC = ("chaos",)  # makes faults at random
POLICIES = tuple(sorted(name for name in built_policies("ring") if name not in ERRATIC))
REASONS: Reasons = (
    (
        "fifo|token_bucket|chaos",
        "mclock_reservations .*",
        "iops .*",
        "each guest's 32 requests come in a row, and a round of 96 takes a third of the window: its place in it decides",
    ),
)


def machine(point: Point) -> Machine:
    """The machine of a case."""
    return CASES[point.text(CASE)].machine(point)


def excludes(point: Point) -> str | None:
    """What the case's own experiment leaves out."""
    case = CASES[point.text(CASE)]
    return case.experiment.excludes(case.inner(point)) if case.experiment.excludes is not None else None


def reason(levels: Mapping[str, int | str], pair: Pair) -> str | None:
    """The reason for an outlier, if it is known."""
    return known_reason(REASONS, str(levels[RING]), str(levels[CASE]), pair)


def document(result: Result) -> str:
    """The table of agreement."""
    return table(result, BACKEND, RING, reason, RING_KINDS)


EXPERIMENT = Experiment(
    name=NAME,
    title="Agreement of the two back ends on disks",
    question="How far are the simulator's disk requests and their delays from those measured on the hypervisor?",
    factors=(
        Factor(BACKEND, "back end", ("qemu", "sim"), ("qemu", "sim"), Choice(("qemu", "sim"))),
        Factor(RING, "ring policy", POLICIES, ("drr", "fifo", "mclock"), Policies("ring")),
        Factor(CASE, "experiment and its quick levels", tuple(CASES), QUICK, Choice(tuple(CASES))),
    ),
    settings=(),
    machine=machine,
    metrics=metrics(RING_KINDS),
    comparisons=(),
    median_comparisons=distances(RING_KINDS),
    figures=tuple(
        heat(kind, RING_KINDS, f"{NAME}_{kind}", (RING, "ring policy"), "1 pCPU", {})
        for kind in deciding(RING_KINDS)
    ),
    samples=3,
    settling=Settling(most=9, apart=partial(scattered, kinds=RING_KINDS)),
    observe=observer(CASES),
    excludes=excludes,
    table=document,
)
