"""A self-contained HTML page from the result files and figures of a folder. It adds no number of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.draw import declared, drawn_paths
from bulkhead.experiment.find import find
from bulkhead.figures.caption import certainty
from bulkhead.report.answer import answer, command
from bulkhead.report.picture import Picture, picture
from bulkhead.result import PointResult, Result, read_result
from bulkhead.result.samples import sampling
from bulkhead.result.signs import Pair, policy_pairs

PAGE = "report.html"


@dataclass(frozen=True)
class Section:
    """One experiment's part of the page."""

    result: Result
    answer: str
    command: str
    made: str  # by which versions
    certainty: str
    pictures: list[Picture]
    tables: list[Table]
    policies: list[tuple[str, str]]
    sampling: str
    pairs: list[tuple[str, list[Pair]]]  # by path of the metric


@dataclass(frozen=True)
class Table:
    """One metric at every point: a column for each of its parts."""

    name: str
    unit: str
    help: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def write_report(folder: Path) -> Path:
    """Write `report.html` into the folder, from the results in it. BulkheadError if there is none."""
    results = [path for path in sorted(folder.glob("*.json")) if path.is_file()]
    if not results:
        raise BulkheadError(f"{folder} holds no result; run an experiment with --out {folder}")
    sections = [_section(read_result(path)) for path in results]
    environment = Environment(
        loader=PackageLoader("bulkhead.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = folder / PAGE
    page.write_text(environment.get_template("page.html").render(sections=sections), encoding="utf-8")
    return page


def _section(result: Result) -> Section:
    specs = declared(result)
    pictures = [picture(spec, result) for spec in specs]
    tables = [_table(result, name) for name in result.metrics]
    pairs = [(path, list(policy_pairs(result, path))) for path in drawn_paths(result)]
    return Section(
        result=result,
        answer=answer(specs[0], result) if specs else "It declares no figure.",
        command=command(result, find(result.experiment)),
        made=_made(result),
        certainty=certainty(result),
        pictures=pictures,
        tables=tables,
        policies=_policies(result),
        sampling=sampling(result),
        pairs=[(path, found) for path, found in pairs if found],
    )


def _made(result: Result) -> str:
    """The versions that a result was made with, in one line."""
    versions = result.versions
    changes = " with changes" if versions.dirty else ""
    return f"Commit {versions.commit[:12]}{changes}; QEMU {versions.qemu}; {versions.compiler}; values are {result.provenance}."


def _policies(result: Result) -> list[tuple[str, str]]:
    """Each policy that ran with its effective parameters, as text; one entry for each different set of them."""
    found = {
        (policy.name, ", ".join(f"{name} {value}" for name, value in policy.parameters.items()))
        for point in result.points
        for policy in point.policies
    }
    return sorted((name, text or "no parameters") for name, text in found)


def _table(result: Result, name: str) -> Table:
    points = [point for point in result.points if name in point.metrics]
    cells = [_cells(point, name) for point in points]
    columns = list(dict.fromkeys(column for row in cells for column in row))
    row = result.metrics[name]
    rows = [(label(point), [cell.get(c, "") for c in columns]) for point, cell in zip(points, cells)]
    return Table(name, row.unit, row.help, columns, rows)


def _cells(point: PointResult, name: str) -> dict[str, str]:
    """A metric's numbers as text by path, with the interval of their samples if there are several."""
    found = {}
    for path, value in _flat(point.metrics[name]).items():
        spread = point.spread.get(f"{name}.{path}" if path else name)
        interval = f" [{_text(spread.low)}, {_text(spread.high)}]" if spread is not None else ""
        if spread is not None and spread.answers < len(point.samples):
            interval += f" ({spread.answers} of {len(point.samples)})"
        found[path] = _text(value) + interval
    return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A metric's numbers by path; a single number under ""."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    parts = {f"{prefix}.{key}" if prefix else key: item for key, item in value.items()}
    return {path: number for key, item in parts.items() for path, number in _flat(item, key).items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def label(point: PointResult) -> str:
    """A point for people."""
    return ", ".join(f"{name} {value}" for name, value in point.levels.items())
