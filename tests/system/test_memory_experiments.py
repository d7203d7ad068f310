"""Experiments on memory, quickly, on both back ends: their bounds hold, and the back ends agree."""

from __future__ import annotations

import pytest
from machines import BACKENDS
from quick_points import Points, quick_points

POLICIES = ("first_fit", "min_max", "proportional_share")
CORUNNERS = ("none", "hoarder", "thrasher")
ALLOCATIONS, RECLAIM = 0.02, 0.10  # how far the back ends may be apart


@pytest.fixture(scope="module")
def hoards(tmp_path_factory: pytest.TempPathFactory) -> Points:
    return quick_points("memory_hoard", "memctl", POLICIES, CORUNNERS, tmp_path_factory)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reservation_keeps_a_hoarder_from_costing_anything(hoards: Points, backend: str) -> None:
    points = hoards[backend]
    assert points["min_max", "hoarder"].metrics["lost"] <= 5
    assert points["min_max", "hoarder"].metrics["reclaim"] is not None
    assert points["first_fit", "hoarder"].metrics["lost"] > 90
    assert points["first_fit", "hoarder"].metrics["reclaim"] is None


def test_allocations_and_times_to_reclaim_agree(
    hoards: Points,
) -> None:
    real, simulated = (hoards[backend] for backend in BACKENDS)
    apart = []
    for key, point in real.items():
        other = simulated[key].metrics
        for guest, frames in point.metrics["frames"].items():
            if other["frames"][guest] != pytest.approx(frames, rel=ALLOCATIONS):
                apart.append((key, guest, frames, other["frames"][guest]))
        here, there = point.metrics["reclaim"], other["reclaim"]
        if (here is None) != (there is None) or (
            here is not None and there != pytest.approx(here, rel=RECLAIM)
        ):
            apart.append((key, "reclaim", here, there))
    assert apart == []
    assert len(real) == len(POLICIES) * len(CORUNNERS)
