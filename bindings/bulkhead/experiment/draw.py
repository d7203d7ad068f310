"""The figures of a result file. Which ones is declared by its experiment; what is in them comes from the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bulkhead.experiment.find import find
from bulkhead.figures.spec import FigureSpec, shown_paths
from bulkhead.figures.swept import is_drawn, over_swept
from bulkhead.result import Result, read_result


def draw_figures(result_file: Path, folder: Path) -> list[Path]:
    """PNG and PDF of each figure that the result's experiment declares, with its caption as text; and its table, if any.

    BulkheadError if the file is not a result or its experiment is unknown.
    """
    from bulkhead.figures.draw import draw  # loads matplotlib, which takes longer than most commands

    result = read_result(result_file)
    return [*draw(result, declared(result), folder), *_table(result, folder)]


def _table(result: Result, folder: Path) -> list[Path]:
    table = find(result.experiment).table
    if table is None:
        return []
    path = folder / f"{result.experiment}.md"
    path.write_text(table(result), encoding="utf-8")
    return [path]


def declared(result: Result) -> Sequence[FigureSpec]:
    """The figures of the result's experiment over what was varied, without those none of whose points were run."""
    experiment = find(result.experiment)
    swept = [name for name in result.factors if experiment.factor(name) is None]
    specs = (over_swept(spec, result, swept) for spec in experiment.figures)
    return [spec for spec in specs if is_drawn(spec, result)]


def drawn_paths(result: Result) -> list[str]:
    """Paths of the metrics that the result's figures show, each once."""
    return list(dict.fromkeys(path for spec in declared(result) for path in shown_paths(spec)))
