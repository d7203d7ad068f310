"""Agreement of the back ends: which cases there are, which numbers are compared, what counts as the same, and the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bulkhead import RunOptions
from bulkhead.experiment.cases import CASE, PCPUS, SCHED, Case, SeenCase
from bulkhead.experiment.declare import Experiment, Policies
from bulkhead.experiment.find import find, find_all, names
from bulkhead.experiment.plan import leave_out, make_plan
from bulkhead.experiment.point import Point
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import REGISTRY
from bulkhead.policy.tables import built_policies
from bulkhead.result import read_result, write_json
from bulkhead.result.agreement import Pair, numbers_of, pairs, worst

AGREEMENT = find("agreement")
POINT = Point({"backend": "sim", PCPUS: 2, SCHED: "credit", CASE: "weights"}, {"seed": 7})


def levels(factor: str) -> set[Any]:
    found = AGREEMENT.factor(factor)
    assert found is not None
    return set(found.full)


def is_about_other_policies(experiment: Experiment) -> bool:
    """Ring or memory policies, as a factor or fixed: such an experiment is compared by its own tests."""
    varied = any(
        isinstance(factor.allowed, Policies) and factor.allowed.kind != "scheduler"
        for factor in experiment.factors
    )
    return varied or experiment.machine(make_plan(experiment, True).points[0]).memctl is not None


def test_every_experiment_and_every_scheduler_is_in_it() -> None:
    both = [
        e.name
        for e in find_all()
        if not (e.simulator_only or e.hypervisor_only or is_about_other_policies(e))
        and e.name != AGREEMENT.name
    ]
    assert {str(case).partition(" ")[0] for case in levels(CASE)} == set(both) < set(names())
    assert levels(SCHED) == set(built_policies("scheduler")) - {"chaos"}
    assert levels(PCPUS) == {1, 2, 4}


def test_a_case_is_the_experiments_own_machine() -> None:
    machine = AGREEMENT.machine(POINT)
    assert machine.pcpus == 2 and machine.seed == 7 and machine.sched is not None
    assert all(guest.vcpus == 2 for guest in machine.guests)  # the experiment's own factor
    other = AGREEMENT.machine(replace(POINT, levels={**POINT.levels, CASE: "allocation_error", PCPUS: 4}))
    own = find("allocation_error")
    (point,) = make_plan(own, True, ("sched=credit", "seed=7")).points
    assert other == replace(own.machine(point), pcpus=4)


def test_an_experiment_without_a_scheduler_factor_runs_once() -> None:
    plan = leave_out(
        make_plan(AGREEMENT, False, ("case=swap_midrun small", "pcpus=2", "backend=sim")),
        "sim",
        REGISTRY.cannot_carry_out,
    )
    assert len(plan.points) == 1 and set(plan.left_out.values()) == {"its schedulers are not a factor"}


@pytest.mark.parametrize(
    "metric, unit, value, found",
    [
        ("share", "1", {"a": 0.5}, [("share", "share a", 0.5)]),
        ("error", "%", {"10": 25.0}, [("part", "error 10", 0.25)]),
        ("latency", "ns", {"count": 100, "p50": 1, "p99": 9}, [("p50", "latency", 1), ("p99", "latency", 9)]),
        ("latency", "ns", {"count": 99, "p50": 1, "p99": 9}, []),
        ("throughput", "op/s", 7.0, [("rate", "throughput", 7.0)]),
        ("skew", "ns", {"final": 3}, []),
        ("missed", "1", None, [("part", "missed", None)]),
    ],
)
def test_numbers_have_kinds(metric: str, unit: str, value: Any, found: list[Any]) -> None:
    assert list(numbers_of(metric, unit, value)) == found


@pytest.mark.parametrize(
    "pair, agrees",
    [
        (Pair("share", "share a", 0.51, 0.5005), True),
        (Pair("share", "share a", 0.511, 0.5), False),
        (Pair("p99", "latency", 30_000, 10_000), True),  # 20 us
        (Pair("p99", "latency", 30_001, 10_000), False),
        (Pair("p99", "latency", 1_049_000, 1_000_000), True),  # 5 %
        (Pair("p99", "latency", 1_051_000, 1_000_000), False),
        (Pair("rate", "throughput", 94.0, 100.0), False),
    ],
)
def test_a_distance_of_one_is_what_is_allowed(pair: Pair, agrees: bool) -> None:
    assert (pair.distance <= 1) is agrees


def test_only_numbers_that_both_have_are_compared() -> None:
    simulated = {"share": {"a": 0.5, "b": 0.25}, "p99": {"latency": None}}
    real = {"share": {"a": 0.47, "c": 1.0}, "p99": {"latency": 5.0}}
    assert pairs(simulated, real) == [Pair("share", "a", 0.5, 0.47)]
    assert worst("share", simulated, real) == pytest.approx(3)
    assert worst("p99", simulated, real) is None


def changed(path: Path, share: float) -> None:
    """Copies the simulator's points of a result as the hypervisor's, with one share of the first case changed."""
    document = json.loads(path.read_text(encoding="utf-8"))
    simulated = [point for point in document["points"] if point["levels"]["backend"] == "sim"]
    real = json.loads(json.dumps(simulated))
    for point in real:
        point["levels"]["backend"] = "qemu"
    real[0]["metrics"]["share"]["share small"] += share
    document["points"] = simulated + real
    write_json(path, document)


def test_the_table_counts_points_and_names_outliers(tmp_path: Path) -> None:
    sets = ("backend=sim", "pcpus=1", "sched=credit", "case=allocation_error,theft_of_service")
    path = run_experiment(RunRequest("agreement", True, sets, backend="sim", out=tmp_path)).path
    assert AGREEMENT.table is not None
    changed(path, 0.005)
    assert "2 of 2 points agree (100.0 %)" in AGREEMENT.table(read_result(path))
    changed(path, 0.015)
    text = AGREEMENT.table(read_result(path))
    assert "1 of 2 points agree (50.0 %)" in text
    assert "| 1, credit, allocation_error | share small | " in text and "| not explained |" in text


@pytest.mark.parametrize("warm_up, has", [(200, True), (0, False)])
def test_guests_that_begin_too_late_leave_no_numbers(warm_up: int, has: bool) -> None:
    own = find("allocation_error")
    (point,) = make_plan(own, True, ("sched=credit", f"warm_up_ms={warm_up}")).points
    run = REGISTRY.backends["sim"].run(own.machine(point), RunOptions())
    seen = SeenCase(run, Case("allocation_error", own, point), point, "label")
    assert seen.window.end > seen.window.start
    assert bool(seen.numbers["share"]) is has


@pytest.mark.parametrize("shift, why", [(0.015, "not explained"), (0.0, "phases decide: ")])
def test_an_outlier_whose_samples_overlap_hangs_on_the_phase(tmp_path: Path, shift: float, why: str) -> None:
    """The samples of the hypervisor are the simulator's, shifted or not; their median is 1.5 points away."""
    sets = ("backend=sim", "pcpus=1", "sched=credit", "case=allocation_error")
    path = run_experiment(RunRequest("agreement", True, sets, backend="sim", out=tmp_path, samples=2)).path
    changed(path, 0.015)
    document = json.loads(path.read_text(encoding="utf-8"))
    for point in document["points"]:
        for k, sample in enumerate(point["samples"]):
            own = shift if point["levels"]["backend"] == "qemu" else 0.0
            sample["metrics"]["share"]["share small"] = 0.2 + own + 0.001 * k
    write_json(path, document)
    assert AGREEMENT.table is not None
    (line,) = (text for text in AGREEMENT.table(read_result(path)).splitlines() if "| share small |" in text)
    assert f"| {why}" in line
