"""The numbers that a figure shows at a point: the middle, and the ends of its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bulkhead.figures.spec import Panel, Quantity
from bulkhead.result import PointResult, lookup
from bulkhead.result.model import Level

LEAST_GAP = 0.38  # of the mean distance of two levels, on an axis to scale
STEEP = 8  # levels that span so many times the least one, evenly, stand on a logarithmic axis


class Shown(NamedTuple):
    """NaN, which is not drawn, where there is no answer."""

    middle: float
    low: float = math.nan
    high: float = math.nan


def shown(point: PointResult, path: str, quantity: Quantity, low: str | None, high: str | None) -> Shown:
    """A number with the interval of its samples; with one phase, with the numbers at `low` and `high`."""
    middle = _number(point, path)
    if middle is None:
        return Shown(math.nan)
    if point.samples:
        spread = point.spread[path]
        ends: tuple[float | None, float | None] = (spread.low, spread.high)
    else:
        ends = (_number(point, low) if low else None, _number(point, high) if high else None)
    scaled = [math.nan if end is None else end * quantity.factor for end in ends]
    return Shown(middle * quantity.factor, *scaled)


def of_panel(point: PointResult, panel: Panel) -> Shown:
    """A panel's number at a point."""
    return shown(point, panel.path, panel.quantity, panel.low, panel.high)


def _number(point: PointResult, path: str) -> int | float | None:
    return lookup(point.metrics, path) if path.partition(".")[0] in point.metrics else None


def are_categories(levels: Sequence[Level]) -> bool:
    """Whether levels are names, which have no distances."""
    return any(isinstance(level, str) for level in levels)


def places(levels: Sequence[Level]) -> list[float]:
    """Where levels stand on an axis from 0 to their number less one.

    Numbers stand to scale, or to the scale of their logarithm if they grow by factors. If two would be too close, and for
    names, all distances are the same.
    """
    even = [float(place) for place in range(len(levels))]
    numbers = [float(level) for level in levels if not isinstance(level, str)]
    if len(numbers) < len(levels) or len(levels) < 3:
        return even
    by_factors = min(numbers) > 0 and max(numbers) / min(numbers) >= STEEP
    scaled = [math.log(number) for number in numbers] if by_factors else numbers
    span = scaled[-1] - scaled[0]
    if span <= 0:
        return even
    found = [(number - scaled[0]) / span * (len(levels) - 1) for number in scaled]
    gaps = [after - before for before, after in zip(found, found[1:])]
    return found if min(gaps) >= LEAST_GAP else even
