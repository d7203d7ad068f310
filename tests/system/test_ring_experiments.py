"""Experiments on I/O rings, quickly, on both back ends: what they show, and that the back ends agree."""

from __future__ import annotations

import pytest
from machines import BACKENDS
from quick_points import Points, quick_points

POLICIES = ("fifo", "token_bucket", "drr", "mclock")
CORUNNERS = ("none", "flood", "big")
THROUGHPUT, P99, P99_NS = 0.02, 0.10, 50_000  # how far the back ends may be apart


@pytest.fixture(scope="module")
def isolation(tmp_path_factory: pytest.TempPathFactory) -> Points:
    return quick_points("io_isolation", "ringctl", POLICIES, CORUNNERS, tmp_path_factory)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_flood_costs_reads_under_one_queue_only(isolation: Points, backend: str) -> None:
    points = isolation[backend]
    assert points["fifo", "flood"].metrics["lost"] > 40
    for policy in ("drr", "mclock"):
        assert abs(points[policy, "flood"].metrics["lost"]) < 2
        assert points[policy, "flood"].metrics["latency"]["p99"] < 1_500_000


def test_throughput_and_latency_agree(isolation: Points) -> None:
    real, simulated = (isolation[backend] for backend in BACKENDS)
    apart = []
    for key, point in real.items():
        other = simulated[key].metrics
        if other["iops"] != pytest.approx(point.metrics["iops"], rel=THROUGHPUT):
            apart.append((key, "iops", point.metrics["iops"], other["iops"]))
        here, there = point.metrics["latency"]["p99"], other["latency"]["p99"]
        if (here is None) != (there is None):
            apart.append((key, "p99", here, there))
        elif here is not None and there != pytest.approx(here, rel=P99, abs=P99_NS):
            apart.append((key, "p99", here, there))
    assert apart == [] and len(real) == len(POLICIES) * len(CORUNNERS)
