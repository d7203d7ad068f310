"""What ring policies promise a guest, on both back ends: reservations, limits, idle credit, and answers beside floods."""

from __future__ import annotations

from typing import Any

import pytest
from machines import BACKENDS

from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result.model import PointResult

ALLOCATION, RESERVED, HELD, GROWTH = 1.0, 3.0, 0.01, 10.0  # per cent, per cent, part, per cent
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
def test_a_reserved_guest_is_answered_in_time_beside_any_flood(backend: str, tmp_path: Any) -> None:
    points = points_of("ring_flood", backend, tmp_path)
    floods = [key for key in points if key[1:] != (1, 1, 1)]
    assert len(floods) == 2 * 4
    for key in floods:
        metrics = points[key].metrics
        if key[0] == "mclock":
            assert metrics["growth"] <= GROWTH, key
            assert abs(metrics["lost"]) < 1, key
        else:
            assert metrics.get("growth") is None or metrics["growth"] > 1000, key
    assert points["fifo", 8, 8, 32].metrics["lost"] > 80


@pytest.mark.parametrize("backend", BACKENDS)
def test_limits_in_requests_and_bytes_hold_at_once(backend: str, tmp_path: Any) -> None:
    points = points_of("ring_limits", backend, tmp_path)
    assert len(points) == 2
    for point in points.values():
        assert point.metrics["used"] == pytest.approx(1, abs=HELD)
