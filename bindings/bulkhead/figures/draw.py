"""Draws declared figures from a result, in the house style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from bulkhead.figures import style
from bulkhead.figures.bars import draw_bars
from bulkhead.figures.course import draw_course
from bulkhead.figures.lines import draw_lines
from bulkhead.figures.spec import Bars, Course, FigureSpec
from bulkhead.result import Result


def draw(result: Result, specs: Sequence[FigureSpec], folder: Path) -> list[Path]:
    """PNG and PDF of each figure."""
    return [path for spec in specs for path in draw_one(spec, result, folder)]


def draw_one(spec: FigureSpec, result: Result, folder: Path) -> list[Path]:
    """One figure in the house style, whatever style is set around."""
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
