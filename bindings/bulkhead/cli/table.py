"""A result as short tables: one for each set of points that measure the same, one row per point, few columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkhead.result import Result
from bulkhead.result.model import PointResult
from bulkhead.result.samples import sampling

MOST_COLUMNS = 5
PERCENTILES = ("p50", "p99", "max")
SHOWN_UNITS = {"ns": ("us", 1e-3), "1": ("", 1.0)}


def _parts(name: str, value: Any) -> list[str]:
    """Paths of the numbers of one metric that are worth a column."""
    if not isinstance(value, Mapping):
        return [name]
    percentiles = [part for part in PERCENTILES if part in value]
    return [
        f"{name}.{part}"
        for part in (percentiles or [k for k, v in value.items() if not isinstance(v, Mapping)])
    ]


def _columns(result: Result, point: PointResult) -> list[str]:
    """Columns that fit: metrics that are compared, the comparisons, the shares, the rest."""
    comparisons = [name for name, row in result.metrics.items() if row.of is not None]
    measured = [name for name, row in result.metrics.items() if row.of is None]
    compared = [
        name for name in measured if any(result.metrics[c].of in _parts_of(point, name) for c in comparisons)
    ]
    order = dict.fromkeys([*compared[:1], *comparisons, "share", *measured])
    paths = [path for name in order if name in point.metrics for path in _parts(name, point.metrics[name])]
    return paths[:MOST_COLUMNS]


def _parts_of(point: PointResult, name: str) -> list[str]:
    return _parts(name, point.metrics[name]) if name in point.metrics else []


def _unit(result: Result, path: str) -> tuple[str, float]:
    row = result.metrics.get(path.split(".")[0])
    unit = row.unit if row is not None else ""
    return SHOWN_UNITS.get(unit, (unit, 1.0))


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _text(point: PointResult, path: str, scale: float) -> str:
    """The number, and the interval of its samples if there are several."""
    value: Any = point.metrics
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    middle = "-" if value is None else _number(value * scale)
    spread = point.spread.get(path)
    if spread is None:
        return middle
    few = f" ({spread.answers} of {len(point.samples)})" if spread.answers < len(point.samples) else ""
    return f"{middle} [{_number(spread.low * scale)}..{_number(spread.high * scale)}]{few}"


def _lines(result: Result, points: list[PointResult]) -> list[str]:
    columns = _columns(result, points[0])
    units = [_unit(result, path) for path in columns]
    factors = list(result.factors)
    rows = [[*factors, *columns], [*[""] * len(factors), *[f"[{unit}]" if unit else "" for unit, _ in units]]]
    for point in points:
        numbers = [_text(point, path, scale) for path, (_, scale) in zip(columns, units)]
        rows.append([*(str(point.levels[name]) for name in factors), *numbers])
    widths = [max(map(len, column)) for column in zip(*rows)]
    edges = [str.ljust] * len(factors) + [str.rjust] * len(columns)
    return [
        "  ".join(edge(cell, width) for edge, cell, width in zip(edges, row, widths)).rstrip() for row in rows
    ]


def table_lines(result: Result) -> list[str]:
    """Lines for people. Numbers are the result's, shortened to four digits; "-" where the run has no answer.

    With several samples each number is a median, followed by the interval of the samples, and by the number of samples
    that have an answer if some have none.
    """
    groups: dict[tuple[str, ...], list[PointResult]] = {}
    for point in result.points:
        groups.setdefault(tuple(sorted(point.metrics)), []).append(point)
    return [
        f"{result.title}: {sampling(result)}",
        *[line for points in groups.values() for line in ("", *_lines(result, points))],
        "",
    ]
