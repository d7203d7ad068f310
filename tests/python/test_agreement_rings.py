"""Agreement of the back ends on disks: which cases there are, what counts as the same, and the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkhead.experiment.cases import CASE
from bulkhead.experiment.declare import Policies
from bulkhead.experiment.find import find, find_all
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.point import Point
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.policy.tables import built_policies
from bulkhead.result import read_result, write_json
from bulkhead.result.agreement import RING_KINDS, Pair

RINGS = find("agreement_rings")


def levels(factor: str) -> set[Any]:
    found = RINGS.factor(factor)
    assert found is not None
    return set(found.full)


def test_every_experiment_of_ring_policies_and_every_ring_policy_is_in_it() -> None:
    both = {
        e.name
        for e in find_all()
        if not (e.simulator_only or e.hypervisor_only)
        and any(isinstance(f.allowed, Policies) and f.allowed.kind == "ring" for f in e.factors)
    }
    assert {str(case).partition(" ")[0] for case in levels(CASE)} == both - {RINGS.name}
    assert levels("ringctl") == set(built_policies("ring")) - {"chaos"}


def test_a_case_is_the_experiments_own_machine_under_each_policy() -> None:
    point = Point({"backend": "sim", "ringctl": "drr", CASE: "io_isolation flood"}, {"seed": 7})
    own = find("io_isolation")
    (inner,) = make_plan(own, True, ("ringctl=drr", "corunners=flood", "seed=7")).points
    assert RINGS.machine(point) == own.machine(inner)
    other = RINGS.machine(replace(point, levels={**point.levels, "ringctl": "sfq"}))
    assert other.ringctl is not None and other.ringctl.name == "sfq"


@pytest.mark.parametrize(
    "pair, agrees",
    [
        (Pair("rate", "iops", 102.0, 100.0, RING_KINDS), True),
        (Pair("rate", "iops", 97.9, 100.0, RING_KINDS), False),
        (Pair("p99", "latency", 50_000, 1, RING_KINDS), True),  # 50 us
        (Pair("p99", "latency", 1_099_000, 1_000_000, RING_KINDS), True),  # 10 %
        (Pair("p99", "latency", 1_101_000, 1_000_000, RING_KINDS), False),
        (Pair("rate", "iops", 0.0, 0.0, RING_KINDS), True),
        (Pair("rate", "iops", 1.0, 0.0, RING_KINDS), False),
    ],
)
def test_a_distance_of_one_is_what_is_allowed(pair: Pair, agrees: bool) -> None:
    assert (pair.distance <= 1) is agrees


def test_the_table_counts_points_and_names_outliers(tmp_path: Path) -> None:
    sets = ("backend=sim", "ringctl=mclock", "case=ring_limits 512,mclock_reservations 1200")
    path = run_experiment(RunRequest(RINGS.name, True, sets, backend="sim", out=tmp_path)).path
    assert RINGS.table is not None
    for factor, agreeing in ((1.015, 2), (1.03, 1)):
        document = json.loads(path.read_text(encoding="utf-8"))
        simulated = [point for point in document["points"] if point["levels"]["backend"] == "sim"]
        real = json.loads(json.dumps(simulated))
        for point in real:
            point["levels"]["backend"] = "qemu"
        name = next(iter(real[0]["metrics"]["rate"]))
        real[0]["metrics"]["rate"][name] /= factor
        document["points"] = simulated + real
        write_json(path, document)
        text = RINGS.table(read_result(path))
        assert f"{agreeing} of 2 points agree" in text
    assert "| mclock, " in text and "within 10 % or 50 us" in text
