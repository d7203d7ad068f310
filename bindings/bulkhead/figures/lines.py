"""Draws `Lines`: panels over one factor with a series for each level of another, whiskers, and the ideal bound.

Series over numbers are lines. Over names they are dots, each in its own place within its category.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bulkhead.figures import style
from bulkhead.figures.spec import Lines, Panel, Reference
from bulkhead.figures.values import Shown, are_categories, of_panel, places, shown
from bulkhead.result import Result
from bulkhead.result.model import Level

PANEL_INCHES = 1.45
GAP_INCHES = 0.32
FOOT_INCHES = 0.36
# Lines are set apart, so that whiskers do not hide each other: by this part of the least distance between two levels.
SPREAD = 0.09
WIDEST = 0.5  # all lines together
FURTHEST_INCHES = 0.06  # between two lines
EDGE = 0.3  # beyond the first and the last level
SIDES_INCHES = 0.6  # left and right of the axes
MOST_LABELS = 12  # of an axis to scale, before some are left out
MOST_MARKERS = 40  # of a line
CATEGORY = 0.84  # the part of a category in which its dots stand
REFERENCE_MARKERS = ("1", "2", "3", "4")
REFERENCE_COLOR = "#a03030"
IDEAL_LOOK = {
    "color": "#c9c9c9",
    "linewidth": 4.5,
    "solid_capstyle": "butt",
}  # a band: what lies on it stays visible

EJECTED = "policy ejected"
EJECTED_LOOK: dict[str, Any] = {"color": REFERENCE_COLOR, "linestyle": "none", "marker": "x", "markersize": 5}


@dataclass(frozen=True)
class _Place:
    """Where everything of a figure stands on its horizontal axis."""

    levels: list[Level]
    at: list[float]
    names: bool  # the levels are names
    step: float  # between two series of one level
    count: int  # of series and references

    @staticmethod
    def of(levels: list[Level], count: int, width: float) -> _Place:
        at, names = places(levels), are_categories(levels)
        gap = min((after - before for before, after in zip(at, at[1:])), default=1.0)
        unit = (width - SIDES_INCHES) / (at[-1] - at[0] + 2 * EDGE)
        step = CATEGORY / count if names else min(SPREAD * gap, WIDEST * gap / count, FURTHEST_INCHES / unit)
        return _Place(levels, at, names, step, count)

    def x(self, level: Level, index: int) -> float:
        """Of the n-th series or reference at a level."""
        return self.at[self.levels.index(level)] + (index - (self.count - 1) / 2) * self.step


def draw_lines(spec: Lines, result: Result) -> Figure:
    """The figure, without panels whose points were not run."""
    spec = replace(spec, panels=tuple(p for p in spec.panels if result.where(p.where)) or spec.panels)
    series = result.factors[spec.series].values
    width = style.width_inches(spec.wide)
    place = _Place.of(result.factors[spec.x].values, len(series) + len(_references(spec)), width)
    handles, labels = _legend(spec, series, place.names)
    if any(point.ejected for point in result.points):
        handles, labels = [*handles, Line2D([], [], **EJECTED_LOOK)], [*labels, EJECTED]
    count = len(spec.panels)
    slant = _slant(place, width)
    foot = FOOT_INCHES + (0.62 * max(style.text_inches(str(level)) for level in place.levels) if slant else 0)
    head = style.legend_inches(labels, spec.wide) + 0.2
    height = head + foot + count * PANEL_INCHES + GAP_INCHES * (count - 1)
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(count, 1, sharex=True, squeeze=False)
    for panel, axes in zip(spec.panels, grid[:, 0]):
        _categories(axes, place)
        for index, level in enumerate(series):
            _series(axes, panel, result, spec, level, index, place)
        for index, reference in enumerate(panel.references):
            _reference(axes, panel, reference, index, len(series) + index, place)
        _ideal(axes, panel, result, spec, place)
        _axes(axes, panel)
    _bottom(grid[-1, 0], spec, place, slant, width)
    figure.subplots_adjust(
        left=style.left_inches(list(grid[:, 0])) / width,
        right=1 - style.RIGHT_INCHES / width,
        bottom=foot / height,
        top=1 - head / height,
        hspace=GAP_INCHES / PANEL_INCHES,
    )
    figure.align_ylabels()
    style.add_legend(figure, handles, labels, spec.wide)
    return figure


def _slant(place: _Place, width: float) -> bool:
    """Whether the levels' names need to be slanted to fit."""
    room = (width - SIDES_INCHES) / max(1, len(place.levels))
    return place.names and max(style.text_inches(str(level)) for level in place.levels) > room - 0.04


def _each(place: _Place, width: float) -> int:
    """Each n-th level of a long axis has a label, so that labels do not touch."""
    if place.names or len(place.levels) <= MOST_LABELS:
        return 1
    widest = max(style.text_inches(str(level)) for level in place.levels) + 0.1
    return max(1, math.ceil(widest * len(place.levels) / (width - SIDES_INCHES)))


def _bottom(axes: Axes, spec: Lines, place: _Place, slant: bool, figure_inches: float) -> None:
    every = _each(place, figure_inches)
    axes.set_xticks(place.at[::every], [str(level) for level in place.levels[::every]])
    edge = 0.5 if place.names else EDGE
    axes.set_xlim(place.at[0] - edge, place.at[-1] + edge)
    axes.set_xlabel(spec.x_label, labelpad=2)
    if slant:
        axes.tick_params(axis="x", rotation=35, pad=1)
        for name in axes.get_xticklabels():
            name.set(ha="right", rotation_mode="anchor")


def _categories(axes: Axes, place: _Place) -> None:
    """A band behind every other category, so that it is seen which dots belong to it."""
    if not place.names:
        return
    axes.tick_params(axis="x", length=0)
    for index, at in enumerate(place.at):
        if index % 2:
            axes.axvspan(at - 0.5, at + 0.5, color=style.BAND, linewidth=0, zorder=0)


def _found(result: Result, panel: Panel, spec: Lines, level: Level) -> list[tuple[Level, Shown]]:
    """The numbers of one series by level of the axis, in the axis's order."""
    chosen = {point.levels[spec.x]: point for point in result.where({**panel.where, spec.series: level})}
    return [(at, of_panel(chosen[at], panel)) for at in result.factors[spec.x].values if at in chosen]


def _ejected(result: Result, panel: Panel, spec: Lines, level: Level) -> set[Level]:
    """Levels of the axis at which a policy was ejected: the numbers there are not the policy's own."""
    points = result.where({**panel.where, spec.series: level})
    return {point.levels[spec.x] for point in points if point.ejected}


def _series(
    axes: Axes, panel: Panel, result: Result, spec: Lines, level: Level, index: int, place: _Place
) -> None:
    every, look = _found(result, panel, spec, level), style.look(index)
    lost = _ejected(result, panel, spec, level)
    found = [(at, value) for at, value in every if at not in lost]
    gone = [(place.x(at, index), value.middle) for at, value in every if at in lost]
    axes.plot([at for at, _ in gone], [value for _, value in gone], zorder=3, **EJECTED_LOOK)
    x = [place.x(at, index) for at, _ in found]
    if any(not math.isnan(value.low) for _, value in found):
        style.whiskers(
            axes, x, [value.low for _, value in found], [value.high for _, value in found], look.color
        )
    shape = look.dot if place.names else look.line
    if len(place.levels) > MOST_MARKERS:
        shape = {**shape, "markevery": -(-len(place.levels) // MOST_MARKERS)}
    axes.plot(x, [value.middle for _, value in found], zorder=3, **shape)


def _reference(
    axes: Axes, panel: Panel, reference: Reference, number: int, index: int, place: _Place
) -> None:
    """Markers without a line: these numbers are not the result's."""
    found = [(level, values) for level, values in reference.values.items() if level in place.levels]
    x = [place.x(level, index) for level, _ in found]
    low, middle, high = ([values[i] * panel.quantity.factor for _, values in found] for i in range(3))
    axes.vlines(x, low, high, color=REFERENCE_COLOR, linewidth=0.5, zorder=2)
    axes.plot(x, middle, zorder=3, **_reference_look(number))


def _reference_look(index: int) -> dict[str, object]:
    marker = REFERENCE_MARKERS[index % len(REFERENCE_MARKERS)]
    return {"color": REFERENCE_COLOR, "linestyle": "none", "marker": marker, "markersize": 5}


def _references(spec: Lines) -> list[str]:
    """Labels of the references, as they come in the panels."""
    return list(dict.fromkeys(reference.label for panel in spec.panels for reference in panel.references))


def _ideal(axes: Axes, panel: Panel, result: Result, spec: Lines, place: _Place) -> None:
    """The least value at each level, behind everything: a line over numbers, a stroke for each category."""
    if panel.ideal is None:
        return
    least: dict[Level, float] = {}
    for point in result.where(panel.where):
        value = shown(point, panel.ideal.path, panel.quantity, None, None).middle
        if not math.isnan(value):
            at = point.levels[spec.x]
            least[at] = min(value, least.get(at, math.inf))
    levels = [level for level in place.levels if level in least]
    x, y = [place.at[place.levels.index(level)] for level in levels], [least[level] for level in levels]
    if place.names:
        axes.hlines(
            y,
            [at - 0.47 for at in x],
            [at + 0.47 for at in x],
            color=IDEAL_LOOK["color"],
            linewidth=3.0,
            zorder=1,
        )
    else:
        axes.plot(x, y, zorder=1, **IDEAL_LOOK)


def _axes(axes: Axes, panel: Panel) -> None:
    axes.set_ylabel(panel.quantity.label, labelpad=2)
    style.title(axes, panel.title)
    axes.grid(visible=False, axis="x")
    if panel.quantity.log:
        style.log_axis(axes)
    else:
        axes.margins(y=0.08)


def _legend(spec: Lines, series: Sequence[Level], names: bool) -> tuple[list[Artist], list[str]]:
    looks = [style.look(index) for index in range(len(series))]
    handles: list[Artist] = [Line2D([], [], **(look.dot if names else look.line)) for look in looks]
    labels = [str(level) for level in series]
    references = _references(spec)
    handles += [Line2D([], [], **_reference_look(index)) for index in range(len(references))]
    ideals = sorted({panel.ideal.label for panel in spec.panels if panel.ideal})
    handles += [Line2D([], [], **IDEAL_LOOK) for _ in ideals]
    return handles, [*labels, *references, *ideals]
