"""What ring policies promise a guest, on both back ends: reservations, limits, idle credit, and answers beside floods."""

from __future__ import annotations

from typing import Any

import pytest
from machines import BACKENDS

from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result.model import PointResult

ALLOCATION, RESERVED, HELD, GROWTH = 1.0, 3.0, 0.01, 10.0  # per cent, per cent, part, per cent
# Per cent: of a weight's part, of a CPU share, of all CPU time.
PROPORTIONAL, BILLED, UNBILLED = 4.0, 2.0, 1.0
SAVED = {"token_bucket": 16 + 1, "mclock": 4 + 1}  # requests beyond the limit that the policy may let pass
SHORT = 0.02  # an answer more or less in a quick run's window


def points_of(
    experiment: str, backend: str, folder: Any, sets: tuple[str, ...] = ()
) -> dict[tuple[Any, ...], PointResult]:
    """The quick points of an experiment by their levels, in the order of its factors."""
    request = RunRequest(experiment, True, sets, backend=backend, out=folder)
    return {tuple(point.levels.values()): point for point in run_experiment(request).result.points}


@pytest.mark.parametrize("backend", BACKENDS)
def test_reservations_limits_and_weights_give_the_published_allocation(backend: str, tmp_path: Any) -> None:
    points = points_of("mclock_reservations", backend, tmp_path)
    apart = [point.metrics["apart"] for key, point in points.items() if key[0] == "mclock"]
    assert len(apart) == 3 and max(apart) < ALLOCATION
    reserved, by_weight = (points[policy, 1200].metrics["iops"]["rd"] for policy in ("mclock", "sfq"))
    assert reserved == pytest.approx(250, rel=RESERVED / 100)
    assert by_weight == pytest.approx(200, rel=RESERVED / 100)
    assert points["mclock", 2150].metrics["iops"]["dm"] <= 1000 * (1 + HELD)


@pytest.mark.parametrize("backend", BACKENDS)
def test_idle_credit_answers_bursts_sooner_at_equal_throughput(backend: str, tmp_path: Any) -> None:
    points = points_of("mclock_credit", backend, tmp_path)
    without, credited = (points["mclock", credit].metrics for credit in (0, 64))
    assert 30 < credited["faster"] < 45, "37 % in the paper"
    for guest in ("bursty", "steady"):
        assert credited["iops"][guest] == pytest.approx(without["iops"][guest], rel=SHORT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_papers_figures_and_tables_come_out(backend: str, tmp_path: Any) -> None:
    points = points_of("mclock_published", backend, tmp_path)
    assert len(points) == 2 * 6
    for key, point in points.items():
        if "apart" in point.metrics:
            assert point.metrics["apart"] < RESERVED, key
    limited, unlimited = (points["figure 4", policy].metrics for policy in ("mclock", "sfq"))
    assert limited["iops"]["vm2"] > 1.8 * limited["iops_before"]["vm2"], "it doubles in the paper"
    assert limited["latency"]["vm2"] < 0.6 * limited["latency_before"]["vm2"], "36 to 16 ms in the paper"
    assert unlimited["iops"]["vm2"] == pytest.approx(unlimited["iops_before"]["vm2"], rel=0.1)
    mixed, by_weight = (points["table 3", policy].metrics["iops"] for policy in ("mclock", "sfq"))
    assert mixed["vm4"] == pytest.approx(250, rel=RESERVED / 100) and by_weight["vm4"] < 200
    assert mixed["vm1"] == pytest.approx(2 * mixed["vm3"], rel=RESERVED / 100)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reserved_guest_is_answered_in_time_beside_any_flood(backend: str, tmp_path: Any) -> None:
    points = points_of("ring_flood", backend, tmp_path)
    floods = [key for key in points if key[1:4] != (1, 1, 1)]
    assert len(floods) == 2 * (4 + 2)
    for key in floods:
        metrics = points[key].metrics
        if key[0] == "mclock":
            assert metrics["growth"] <= GROWTH, key
            assert abs(metrics["lost"]) < 1, key
        else:
            assert metrics.get("growth") is None or metrics["growth"] > 1000, key
    assert points["fifo", 8, 8, 32, "parts"].metrics["lost"] > 80


@pytest.mark.parametrize("backend", BACKENDS)
def test_limits_in_requests_and_bytes_hold_at_once(backend: str, tmp_path: Any) -> None:
    points = points_of("ring_limits", backend, tmp_path)
    assert len(points) == 2
    for point in points.values():
        assert point.metrics["used"] == pytest.approx(1, abs=HELD)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[tuple[Any, ...], PointResult]]:
    """The four questions of isol_bench, by back end."""
    sets = ("ringctl=fifo,sfq", "weight=1")
    return {
        backend: points_of("isol_bench", backend, tmp_path_factory.mktemp(backend), sets)
        for backend in BACKENDS
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_by_weight_is_fair_and_costs_no_throughput(questions: Any, backend: str) -> None:
    by_weight, one_queue = (
        {key[1]: point.metrics for key, point in questions[backend].items() if key[0] == policy}
        for policy in ("sfq", "fifo")
    )
    assert len(by_weight) == len(one_queue) == 4
    assert by_weight["fairness"]["fairness"] > 0.99 and one_queue["fairness"]["fairness"] < 0.8
    assert by_weight["priority"]["latency"]["p99"] * 3 < one_queue["priority"]["latency"]["p99"]
    assert by_weight["bursts"]["latency"]["p50"] < one_queue["bursts"]["latency"]["p50"]
    for question in by_weight:
        assert by_weight[question]["used"] > 0.99, "the drive never idles"
    assert by_weight["overhead"]["kept"] == pytest.approx(1, abs=0.01)
    assert by_weight["overhead"]["overhead"] < 1.1 * one_queue["overhead"]["overhead"]


def test_both_back_ends_answer_alike(questions: Any) -> None:
    real, simulated = (questions[backend] for backend in BACKENDS)
    assert real.keys() == simulated.keys()
    for key, point in real.items():
        here, there = point.metrics, simulated[key].metrics
        assert there["reads"] == pytest.approx(here["reads"], rel=0.02), key
        if "latency" in here:
            assert there["latency"]["p99"] == pytest.approx(here["latency"]["p99"], rel=0.1, abs=50_000), key


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_hold_where_work_needs_cpu_and_drive(backend: str, tmp_path: Any) -> None:
    points = points_of(
        "sosp03_disk", backend, tmp_path, ("ringctl=fifo,sfq", "load=disk", "duration_ms=3000")
    )
    weighted, ignored = (points[policy, "disk", "1 to 8"].metrics for policy in ("sfq", "fifo"))
    assert weighted["error"] < PROPORTIONAL and weighted["kept"] > 1 - SHORT
    assert ignored["error"] > 100


@pytest.mark.parametrize("backend", BACKENDS)
def test_ring_work_is_paid_for_by_the_guest_that_causes_it(backend: str, tmp_path: Any) -> None:
    points = points_of("billing", backend, tmp_path, ("sched=credit2", "size=65536"))
    billed, unbilled = (points["credit2", how, 65536].metrics for how in ("billed", "to nobody"))
    assert billed["error"] < BILLED and billed["unbilled"] < UNBILLED
    assert unbilled["error"] > 2 * BILLED and unbilled["unbilled"] > 5 * UNBILLED


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_limit_holds_whenever_and_through_how_many_rings_a_guest_asks(backend: str, tmp_path: Any) -> None:
    points = points_of("limiter_abuse", backend, tmp_path)
    for (policy, attack), point in points.items():
        if attack == "domains":  # each has the limit
            assert 2 < point.metrics["rate"] <= 4 * (1 + SHORT), policy
            continue
        assert point.metrics["rate"] <= 1 + SHORT, (policy, attack)
        assert point.metrics["burst"] <= SAVED[str(policy)], (policy, attack)
