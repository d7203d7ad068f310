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

PANEL_INCHES = 1.7
NAMES_INCHES = 0.95  # above each panel, for the names of what happened and its title
GAP_INCHES = 0.24  # between panels
FOOT_INCHES = 0.34
SIDE_INCHES = 0.3  # between columns
COLUMNS = 2
MS_PER_S = 1000


def draw_course(spec: Course, result: Result) -> Figure:
    """The figure, as wide as a page if it has several panels, without those whose points were not run."""
    panels = [(title, points[0]) for title, where in spec.panels if (points := result.where(where))]
    parts = list(dict.fromkeys(part for _, point in panels for part in _object(point, spec.path)))
    wide = len(panels) > 1
    columns = COLUMNS if wide else 1
    rows = -(-len(panels) // columns)
    head, width = style.legend_inches(parts, wide) + 0.05, style.width_inches(wide)
    height = head + FOOT_INCHES + rows * (PANEL_INCHES + NAMES_INCHES) + GAP_INCHES * (rows - 1)
    assert height <= style.TALLEST_INCHES, f"{spec.name} is taller than a page"
    figure = Figure(figsize=(width, height))
    all_axes = []
    for index, (title, point) in enumerate(panels):
        axes = figure.add_axes((0.1, 0.1, 0.4, 0.2))
        _lines(axes, spec, point, parts)
        _marks(axes, _object(point, spec.marks))
        axes.text(0, 1 + (NAMES_INCHES - 0.12) / PANEL_INCHES, title, transform=axes.transAxes)
        if index % columns == 0:
            axes.set_ylabel(spec.quantity.label, labelpad=2)
        if index >= len(panels) - columns:
            axes.set_xlabel(spec.x_label, labelpad=2)
        all_axes.append(axes)
    left = style.left_inches(all_axes)
    across = (width - left - style.RIGHT_INCHES - (columns - 1) * SIDE_INCHES) / columns
    for index, axes in enumerate(all_axes):
        row, column = divmod(index, columns)
        top = height - head - row * (PANEL_INCHES + NAMES_INCHES + GAP_INCHES) - NAMES_INCHES
        x = left + column * (across + SIDE_INCHES)
        axes.set_position((x / width, (top - PANEL_INCHES) / height, across / width, PANEL_INCHES / height))
    handles = [Line2D([], [], **_look(index)) for index in range(len(parts))]
    style.add_legend(figure, handles, parts, wide)
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
        values = {
            ms: value for ms, value in _object(point, spec.path).get(part, {}).items() if value is not None
        }
        times = [int(ms) / MS_PER_S for ms in values]
        axes.plot(times, [value * spec.quantity.factor for value in values.values()], **_look(index))
        ends = [point.spread.get(f"{spec.path}.{part}.{ms}") for ms in values]
        if point.samples:
            low, high = (
                [getattr(end, name) * spec.quantity.factor for end in ends] for name in ("low", "high")
            )
            axes.fill_between(times, low, high, color=style.look(index).color, alpha=0.15, linewidth=0)
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
            fontsize=style.SMALLEST_POINTS,
            ha="left",
            va="bottom",
            rotation_mode="anchor",
        )
