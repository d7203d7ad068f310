"""Experiments with 32-bit guests, and with both widths on one machine: the same answers as with 64-bit ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result.model import PointResult

WIDTHS = "guest=pv32,mixed"


def points(name: str, out: Path, *sets: str) -> list[PointResult]:
    """Quick points in both widths."""
    found = run_experiment(RunRequest(name, True, (*sets, WIDTHS), out=out)).result.points
    assert {point.levels["guest"] for point in found} == {"pv32", "mixed"}
    return list(found)


def test_theft_of_service_depends_on_the_scheduler_alone(tmp_path: Path) -> None:
    for point in points("theft_of_service", tmp_path, "sched=credit,credit_sampled"):
        stolen = point.metrics["share"]["attacker"]
        assert stolen > 0.9 if point.levels["sched"] == "credit_sampled" else stolen < 0.51, point


def test_a_victim_beside_hogs_keeps_its_share(tmp_path: Path) -> None:
    for point in points("noisy_neighbour", tmp_path, "sched=credit", "victim=compute", "hogs=2"):
        assert point.metrics["share"]["victim"] == pytest.approx(1 / 3, abs=0.01), point


def test_a_disk_policy_holds_a_flood_back(tmp_path: Path) -> None:
    for point in points("io_isolation", tmp_path, "ringctl=drr", "corunners=flood"):
        assert point.metrics["latency"]["p99"] < 1_500_000, point
        assert point.metrics["iops"] > 950, point


def test_a_hoarder_gives_memory_back(tmp_path: Path) -> None:
    for point in points("memory_hoard", tmp_path, "memctl=min_max", "corunners=hoarder"):
        assert point.metrics["frames"]["victim"] == 44.0, point  # MiB: all that its working set needs
        assert point.metrics["share"]["victim"] > 0.99, point
