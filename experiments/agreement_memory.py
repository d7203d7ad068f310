"""Agreement of simulator and hypervisor on memory: every memory experiment's quick points on both, under every memory policy."""

from __future__ import annotations

from functools import partial

from bulkhead.experiment import BACKEND, Choice, Experiment, Factor, Policies, Settling
from bulkhead.experiment.back_ends import Reasons, UnderPolicies, distances, heat, metrics, observer
from bulkhead.experiment.cases import CASE, derive
from bulkhead.policy.tables import built_policies
from bulkhead.result.agreement import MEMORY_KINDS, scattered

NAME = "agreement_memory"
MEMORY = "memctl"
CASES = derive(NAME, {}, "memory")
QUICK = ("idle_tax 75", "memory_hoard none", "memory_hoard hoarder", "memory_hog memory hog")
ERRATIC = ("chaos",)  # makes faults at random
POLICIES = tuple(sorted(name for name in built_policies("memory") if name not in ERRATIC))
REASONS: Reasons = ()
PARTS = UnderPolicies(CASES, MEMORY, MEMORY_KINDS, REASONS)

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
    machine=PARTS.machine,
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
    excludes=PARTS.excludes,
    table=PARTS.document,
)
