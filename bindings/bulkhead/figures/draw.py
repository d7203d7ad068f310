"""Draws declared figures from a result, in the house style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from bulkhead.figures import style
from bulkhead.figures.bars import draw_bars
from bulkhead.figures.caption import caption
from bulkhead.figures.course import draw_course
from bulkhead.figures.heat import draw_heat
from bulkhead.figures.lines import draw_lines
from bulkhead.figures.spec import Bars, Course, FigureSpec, Heat
from bulkhead.result import Result


def draw(result: Result, specs: Sequence[FigureSpec], folder: Path) -> list[Path]:
    """PNG and PDF of each figure, and its caption as text."""
    return [path for spec in specs for path in draw_one(spec, result, folder)]


def figure_of(spec: FigureSpec, result: Result) -> Figure:
    """The picture, in whatever style is set."""
    if isinstance(spec, Bars):
        return draw_bars(spec, result)
    if isinstance(spec, Heat):
        return draw_heat(spec, result)
    if isinstance(spec, Course):
        return draw_course(spec, result)
    return draw_lines(spec, result)


def draw_one(spec: FigureSpec, result: Result, folder: Path) -> list[Path]:
    """One figure in the house style, whatever style is set around."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.RC)
        return style.save(figure_of(spec, result), folder, spec.name, caption(spec, result))
