"""The samples of one point as one: the median of each number, and the interval that its samples cover."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bulkhead.result.model import PointResult, Result, SampleRow, Spread

Number = int | float
FEWEST_FOR_PERCENTILES = 20  # with fewer samples the interval is their range
LOW, HIGH = 0.05, 0.95


def interval_text(samples: int) -> str:
    """What the interval of so many samples is."""
    return "range" if samples < FEWEST_FOR_PERCENTILES else "5th to 95th percentile"


def sample_count(result: Result) -> str:
    """How many samples a point has: one number, or the least and the most where some were apart."""
    most = max((len(point.samples) for point in result.points), default=0)
    return f"{result.samples} to {most}" if most > result.samples else str(result.samples)


def sampling(result: Result) -> str:
    """Where a result's numbers are from and how many samples are behind each."""
    if result.samples == 1:
        return f"{result.provenance}, one phase"
    return (
        f"{result.provenance}, median and {interval_text(result.samples)} of {sample_count(result)} samples"
    )


def median(values: Sequence[Number]) -> Number:
    """A whole number wherever the middle is one."""
    middle = statistics.median(values)
    whole = all(isinstance(value, int) for value in values) and float(middle).is_integer()
    return int(middle) if whole else middle


def interval(values: Sequence[Number]) -> tuple[Number, Number]:
    """The range, or from the 5th to the 95th percentile (linear between neighbours) of at least 20 values."""
    ordered = sorted(values)
    if len(ordered) < FEWEST_FOR_PERCENTILES:
        return ordered[0], ordered[-1]
    return _percentile(ordered, LOW), _percentile(ordered, HIGH)


def _percentile(ordered: Sequence[Number], part: float) -> Number:
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _leaves(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, list[Number | None]]]:
    """Each number's path with its value in every sample; None where a sample lacks it."""
    names = dict.fromkeys(name for value in values if isinstance(value, Mapping) for name in value)
    if not names:
        yield path, [None if isinstance(value, Mapping) else value for value in values]
    for name in names:
        below = [value.get(name) if isinstance(value, Mapping) else None for value in values]
        yield from _leaves(below, f"{path}.{name}" if path else name)


def _middle(values: Sequence[Any]) -> Any:
    """The shape of the values with the median of each number; None where no more than half of the samples have one."""
    names = dict.fromkeys(name for value in values if isinstance(value, Mapping) for name in value)
    if names:
        return {
            name: _middle([value.get(name) if isinstance(value, Mapping) else None for value in values])
            for name in names
        }
    if any(isinstance(value, Mapping) for value in values):
        return {}
    known = [value for value in values if value is not None]
    return median(known) if 2 * len(known) > len(values) else None


def _spread(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Spread]:
    found = {}
    for path, values in _leaves(metrics):
        known = [value for value in values if value is not None]
        if known:
            found[path] = Spread(*interval(known), len(known))
    return found


def sample_row(number: int, starts: dict[str, int], phases: dict[str, int], point: PointResult) -> SampleRow:
    """What a point's result keeps of one of its samples."""
    return SampleRow(
        sample=number,
        starts_ns=starts,
        phases_ns=phases,
        exit_status=point.exit_status,
        trace_sha256=point.trace_sha256,
        trace_records=point.trace_records,
        metrics=point.metrics,
        skew_ns=point.ledger.skew_ns,
        unbilled_share=point.ledger.unbilled_share,
        r_max=point.r_max,
        ejected=[policy.name for policy in point.policies if policy.ejected is not None],
    )


def merged(points: Sequence[PointResult], rows: Sequence[SampleRow]) -> PointResult:
    """One point of its samples, sample 0 first: medians, intervals, the worst R_max; the rest is that of sample 0."""
    metrics = [point.metrics for point in points]
    return replace(
        points[0],
        metrics=_middle(metrics),
        spread=_spread(metrics),
        samples=list(rows),
        r_max=max((point.r_max for point in points), key=lambda r_max: r_max.ns),
    )
