"""A result as a short table: one row per point, one column per metric that is a single number or has percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bulkhead.result import Result

COLUMNS = 8
PARTS = ("p50", "p99", "max")


def _columns(result: Result) -> list[str]:
    """Paths of the numbers to show, in the order of the declaration."""
    paths: dict[str, None] = {}
    for point in result.points:
        for name, value in point.metrics.items():
            if isinstance(value, Mapping):
                paths.update({f"{name}.{part}": None for part in PARTS if part in value})
            else:
                paths[name] = None
    return list(paths)[:COLUMNS]


def _text(metrics: Mapping[str, Any], path: str) -> str:
    value: Any = metrics
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def print_table(result: Result) -> None:
    """Print it. Numbers are exact values of the result, shortened to four digits."""
    columns = _columns(result)
    units = {name: row.unit for name, row in result.metrics.items()}
    heads = [f"{path}\n[{units.get(path.split('.')[0], '')}]".replace("[", "\\[") for path in columns]
    table = Table(*result.factors, *heads, title=result.title)
    for point in result.points:
        levels = [str(point.levels[name]) for name in result.factors]
        table.add_row(*levels, *(_text(point.metrics, path) for path in columns))
    Console(highlight=False).print(table)
