"""Agreement of simulator and hypervisor on disks: every ring experiment's quick points on both, under every ring policy."""

from __future__ import annotations

from functools import partial

from bulkhead.experiment import BACKEND, Choice, Experiment, Factor, Policies, Settling
from bulkhead.experiment.back_ends import Reasons, UnderPolicies, deciding, distances, heat, metrics, observer
from bulkhead.experiment.cases import CASE, derive
from bulkhead.policy.tables import built_policies
from bulkhead.result.agreement import RING_KINDS, scattered

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
PARTS = UnderPolicies(CASES, RING, RING_KINDS, REASONS)

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
    machine=PARTS.machine,
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
    excludes=PARTS.excludes,
    table=PARTS.document,
)
