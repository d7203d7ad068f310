"""Skew between a guest's clock and real time, from samples of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.trace import IntArray


@dataclass(frozen=True)
class ClockSkew:
    """Offset is guest time minus real time, both counted from the first sample [ns]."""

    count: int
    offset_q1: int
    offset_median: int
    offset_q3: int
    slope_ppm: float  # least-squares slope of the offset; +1 ppm: the guest gains 1 us each second
    largest_step: int  # largest |change of offset| between two samples [ns]
    backward_steps: int  # samples with an earlier guest time than the one before


def clock_skew(real: IntArray, guest: IntArray) -> ClockSkew | None:
    """Skew of a guest's clock from pairs of readings [ns] in the order taken; None for fewer than two samples.

    Quartiles are nearest-rank; the slope is the least-squares one, in exact integers up to the last division.
    Source of the error quartiles: Broomhead et al., OSDI 2010.
    """
    if len(real) != len(guest):
        raise ValueError(f"{len(real)} readings of real time but {len(guest)} of guest time")
    if len(real) < 2:
        return None
    elapsed = real - real[0]
    offset = (guest - guest[0]) - elapsed
    ordered = np.sort(offset)
    q1, median, q3 = (int(ordered[-(-len(ordered) * part // 4) - 1]) for part in (1, 2, 3))
    return ClockSkew(
        count=len(real),
        offset_q1=q1,
        offset_median=median,
        offset_q3=q3,
        slope_ppm=_slope(elapsed.tolist(), offset.tolist()) * 1e6,
        largest_step=int(np.abs(np.diff(offset)).max()),
        backward_steps=int((np.diff(guest) < 0).sum()),
    )


def _slope(x: list[int], y: list[int]) -> float:
    """Least-squares slope of y over x in unbounded integers, 0 if all x are the same."""
    n, sum_x, sum_y = len(x), sum(x), sum(y)
    spread = n * sum(a * a for a in x) - sum_x * sum_x
    return (n * sum(a * b for a, b in zip(x, y)) - sum_x * sum_y) / spread if spread else 0.0
