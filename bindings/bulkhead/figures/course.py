"""Draws `Course`: how something went over time, a line for each part, and upright lines where something happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bulkhead.figures import style
from bulkhead.figures.spec import Course
from bulkhead.result import PointResult, Result

PANEL_INCHES = 1.5
NAMES_INCHES = 0.8  # above each panel, for the names of what happened and its title
GAP_INCHES = 0.26  # between panels
ROW_INCHES = 0.14  # of the legend
COLUMNS = 4
MS_PER_S = 1000


def draw_course(spec: Course, result: Result) -> Figure:
    """The figure, without panels whose points were not run."""
    panels = [(title, points[0]) for title, where in spec.panels if (points := result.where(where))]
    parts = list(dict.fromkeys(part for _, point in panels for part in _object(point, spec.path)))
    caption = style.caption_lines(spec.caption, result)
    foot = style.caption_inches(caption) + 0.34
    head = 0.1 + ROW_INCHES * -(-len(parts) // COLUMNS)
    height = head + foot + len(panels) * (PANEL_INCHES + NAMES_INCHES) + GAP_INCHES * (len(panels) - 1)
    figure = Figure(figsize=(style.COLUMN_INCHES, height))
    all_axes = []
    for index, (title, point) in enumerate(panels):
        top = height - head - index * (PANEL_INCHES + NAMES_INCHES + GAP_INCHES) - NAMES_INCHES
        axes = figure.add_axes((0.14, (top - PANEL_INCHES) / height, 0.845, PANEL_INCHES / height))
        _lines(axes, spec, point, parts)
        _marks(axes, _object(point, spec.marks))
        axes.set_ylabel(spec.quantity.label, labelpad=2)
        axes.text(0, 1 + (NAMES_INCHES - 0.12) / PANEL_INCHES, title, transform=axes.transAxes)
        all_axes.append(axes)
    left = style.left_inches(all_axes) / style.COLUMN_INCHES
    for axes in all_axes:
        box = axes.get_position()
        axes.set_position((left, box.y0, 0.97 - left, box.height))
    all_axes[-1].set_xlabel(spec.x_label, labelpad=2)
    handles = [Line2D([], [], label=part, **_look(index)) for index, part in enumerate(parts)]
    figure.legend(handles=handles, loc="upper center", ncol=min(COLUMNS, len(parts)), borderaxespad=0.1)
    style.write_caption(figure, caption)
    return figure


def _object(point: PointResult, name: str) -> Mapping[str, Any]:
    found = point.metrics.get(name)
    return found if isinstance(found, Mapping) else {}


def _look(index: int) -> dict[str, Any]:
    look = style.look(index)
    return {"color": look.color, "linestyle": look.dash}


def _lines(axes: Axes, spec: Course, point: PointResult, parts: list[str]) -> None:
    """A part's values stand under the time of each [ms]."""
    for index, part in enumerate(parts):
        values = _object(point, spec.path).get(part, {})
        times = [int(ms) / MS_PER_S for ms in values]
        axes.plot(times, [value * spec.quantity.factor for value in values.values()], **_look(index))
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.grid(visible=False, axis="x")


def _marks(axes: Axes, marks: Mapping[str, int]) -> None:
    """An upright line at each instant [ms], and the name of what began there; what stands before a space only orders them."""
    for name, ms in marks.items():
        at = ms / MS_PER_S
        axes.axvline(at, color=style.GREY, linewidth=0.5, zorder=1)
        axes.text(
            at,
            1.02,
            name.partition(" ")[2] or name,
            transform=axes.get_xaxis_transform(),
            rotation=60,
            fontsize=5.6,
            ha="left",
            va="bottom",
            rotation_mode="anchor",
        )
