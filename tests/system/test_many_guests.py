"""A hundred guests of 1 MiB: the last one costs what the first one did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bulkhead.experiment.runner import RunRequest, run_experiment

GUESTS = 100
SETS = (f"guests=10,{GUESTS}", "duration_ms=700", "warm_up_ms=500")
MOST_BUILD_NS, MOST_R_MAX_NS, MOST_BYTES = 6_000_000, 100_000, 64 * 1024


@pytest.fixture(scope="module", params=("round_robin", "credit"))
def points(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    """Metrics by number of guests."""
    out: Path = tmp_path_factory.mktemp("many")
    run = RunRequest("many_guests", True, (f"sched={request.param}", *SETS), jobs=1, out=out)
    return {int(point.levels["guests"]): point.metrics for point in run_experiment(run).result.points}


def test_building_takes_the_same_time_for_each(points: dict[int, Any]) -> None:
    many = points[GUESTS]["build"]
    assert many["last"] < MOST_BUILD_NS
    assert many["last"] == pytest.approx(points[10]["build"]["first"], rel=0.02)


def test_interrupts_and_decisions_do_not_wait_longer(points: dict[int, Any]) -> None:
    assert points[GUESTS]["longest"]["section"] < MOST_R_MAX_NS
    assert points[GUESTS]["decision"] < 1.5 * points[10]["decision"]


def test_the_hypervisor_needs_little_for_each(points: dict[int, Any]) -> None:
    assert 0 < points[GUESTS]["memory"] <= MOST_BYTES
