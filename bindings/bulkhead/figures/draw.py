"""Draws the figures of a result file. Which ones is declared by the experiment; what is in them comes from the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bulkhead.figures.spec import Bars, Course, FigureSpec
from bulkhead.result import Result, read_result


def draw_figures(result_file: Path, folder: Path, specs: Sequence[FigureSpec] | None = None) -> list[Path]:
    """PNG and PDF of each figure, by default those that the result's experiment declares.

    BulkheadError if the file is no result or its experiment is not known.
    """
    result = read_result(result_file)
    return [path for spec in specs or declared(result) for path in draw_one(spec, result, folder)]


def declared(result: Result) -> Sequence[FigureSpec]:
    """The figures that the result's experiment declares, without those none of whose points were run."""
    from bulkhead.experiment.find import find

    return [spec for spec in find(result.experiment).figures if _has_points(spec, result)]


def _has_points(spec: FigureSpec, result: Result) -> bool:
    if isinstance(spec, Bars):
        return bool(result.where(spec.where))
    if isinstance(spec, Course):
        return any(result.where(where) for _, where in spec.panels)
    return True


def draw_one(spec: FigureSpec, result: Result, folder: Path) -> list[Path]:
    """One figure in the house style, whatever style is set around."""
    import matplotlib

    from bulkhead.figures import style
    from bulkhead.figures.bars import draw_bars
    from bulkhead.figures.course import draw_course
    from bulkhead.figures.lines import draw_lines

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.RC)
        if isinstance(spec, Bars):
            figure = draw_bars(spec, result)
        elif isinstance(spec, Course):
            figure = draw_course(spec, result)
        else:
            figure = draw_lines(spec, result)
        return style.save(figure, folder, spec.name)
