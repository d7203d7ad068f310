"""Agreement of the back ends on memory: which cases there are, and what counts as the same."""

from __future__ import annotations

import pytest
from bulkhead.experiment.cases import CASE
from bulkhead.experiment.find import find, find_all
from bulkhead.policy.tables import built_policies
from bulkhead.result.agreement import MEMORY_KINDS, Pair, numbers_of

MEMORY = find("agreement_memory")


def levels(factor: str) -> set[str]:
    found = MEMORY.factor(factor)
    assert found is not None
    return {str(level) for level in found.full}


def test_every_experiment_that_varies_the_memory_policy_and_every_memory_policy_is_in_it() -> None:
    both = {
        e.name
        for e in find_all()
        if not (e.simulator_only or e.hypervisor_only) and e.factor("memctl") is not None
    }
    assert {case.partition(" ")[0] for case in levels(CASE)} == both - {MEMORY.name}
    assert levels("memctl") == set(built_policies("memory")) - {"chaos"}


@pytest.mark.parametrize(
    "pair, agrees",
    [
        (Pair("memory", "frames", 10.2, 10.0, MEMORY_KINDS), True),
        (Pair("memory", "frames", 9.79, 10.0, MEMORY_KINDS), False),
        (Pair("time", "reclaim", 1_099_000, 1_000_000, MEMORY_KINDS), True),
        (Pair("time", "reclaim", 899_000, 1_000_000, MEMORY_KINDS), False),
        (Pair("came", "reclaim", 0.0, 0.0, MEMORY_KINDS), True),
        (Pair("came", "reclaim", 0.0, 1.0, MEMORY_KINDS), False),
    ],
)
def test_a_distance_of_one_is_what_is_allowed(pair: Pair, agrees: bool) -> None:
    assert (pair.distance <= 1) is agrees


def test_a_time_that_never_came_is_compared_too() -> None:
    assert list(numbers_of("reclaim", "ns", None)) == [("time", "reclaim", None), ("came", "reclaim", 0.0)]
    assert list(numbers_of("reclaim", "ns", 7)) == [("time", "reclaim", 7), ("came", "reclaim", 1.0)]
    assert list(numbers_of("frames", "MiB", {"a": 2.5})) == [("memory", "frames a", 2.5)]
