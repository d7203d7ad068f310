"""The costs that the simulator charges are those of this hypervisor: each is measured again and compared with the file."""

from __future__ import annotations

import json

import pytest
from bulkhead import Machine, Run
from bulkhead.backend.sim.calibrate import measure, moved, run_common
from bulkhead.backend.sim.costs import FILE, HELP
from bulkhead.policy.tables import built_policies

KEPT = json.loads(FILE.read_text(encoding="utf-8"))["instructions"]


@pytest.fixture(scope="module")
def common() -> dict[str, Run]:
    return run_common(Machine.run)


def test_every_scheduler_and_every_cost_is_there() -> None:
    assert set(KEPT) == set(built_policies("scheduler"))
    assert all(set(row) == set(HELP) for row in KEPT.values())


@pytest.mark.parametrize("policy", sorted(KEPT))
def test_no_cost_has_moved(policy: str, common: dict[str, Run]) -> None:
    faults = moved(policy, measure(Machine.run, policy, common), KEPT[policy])
    assert not faults, "\n".join([*faults, "is it meant to be so? then run ./bulkhead calibrate"])


def test_a_cost_that_moves_is_named() -> None:
    kept = {"pick": 400, "rest": 3}
    assert moved("p", {"pick": 419, "rest": 13}, kept) == []
    assert moved("p", {"pick": 421, "rest": 14}, kept) == [
        "p: pick takes 421 instructions, 400 are kept",
        "p: rest takes 14 instructions, 3 are kept",
    ]
    assert moved("p", {"wait": 1}, kept) == ["p: wait takes 1 instructions, None are kept"]
