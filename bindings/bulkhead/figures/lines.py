"""Draws `Lines`: panels over one factor, a line for each level of another, whiskers, and the ideal bound."""

from __future__ import annotations

import math
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from bulkhead.figures import style
from bulkhead.figures.spec import Lines, Panel, Quantity, Reference
from bulkhead.result import PointResult, Result, lookup
from bulkhead.result.model import Level

PANEL_INCHES = 1.45
LEGEND_INCHES = 0.34
# Series are set apart, so that whiskers do not hide each other: by this part of the distance between two levels.
SPREAD = 0.09
WIDEST = 0.55  # all series together, so that they stay with their level and inside the axes
COLUMNS = 3
MOST_FULL_LABELS = 8  # with more levels, their names are smaller
REFERENCE_MARKERS = ("1", "2", "3", "4")
REFERENCE_COLOR = "#a03030"
# A band: lines on top stay visible.
IDEAL_LOOK = {"color": "#c9c9c9", "linewidth": 4.5, "solid_capstyle": "butt"}


def draw_lines(spec: Lines, result: Result) -> Figure:
    """The figure, without panels whose points were not run."""
    spec = replace(spec, panels=tuple(p for p in spec.panels if result.where(p.where)) or spec.panels)
    levels = result.factors[spec.x].values
    series = result.factors[spec.series].values
    rows = _legend_shape(spec, series)[0]
    caption = style.caption_lines(spec.caption, result)
    foot = style.caption_inches(caption) + 0.34
    head = LEGEND_INCHES + 0.14 * (rows - 1)
    height = head + foot + len(spec.panels) * PANEL_INCHES + 0.2 * (len(spec.panels) - 1)
    figure = Figure(figsize=(style.COLUMN_INCHES, height))
    grid = figure.subplots(len(spec.panels), 1, sharex=True, squeeze=False)
    figure.subplots_adjust(right=0.985, bottom=foot / height, top=1 - head / height, hspace=0.26)
    for panel, axes in zip(spec.panels, grid[:, 0]):
        for index, level in enumerate(series):
            offset = _offset(spec, series, index)
            _series(axes, panel, result, spec, level, style.look(index), offset)
        for index, reference in enumerate(panel.references):
            offset = _offset(spec, series, len(series) + index)
            _reference(axes, panel, reference, levels, _reference_look(index), offset)
        _ideal(axes, panel, result, spec)
        _axes(axes, panel)
    figure.subplots_adjust(left=style.left_inches(list(grid[:, 0])) / style.COLUMN_INCHES)
    bottom = grid[-1, 0]
    bottom.set_xticks(range(len(levels)), [str(level) for level in levels])
    if len(levels) > MOST_FULL_LABELS:
        bottom.tick_params(axis="x", labelsize=5.6)
    bottom.set_xlim(-0.3, len(levels) - 0.7)
    bottom.set_xlabel(spec.x_label, labelpad=2)
    figure.align_ylabels()
    _legend(figure, spec, series)
    style.write_caption(figure, caption)
    return figure


def _offset(spec: Lines, series: list[Level], index: int) -> float:
    """How far from its place on the axis the n-th series or reference stands."""
    count = len(series) + len(_references(spec))
    return (index - (count - 1) / 2) * min(SPREAD, WIDEST / count)


def _points(result: Result, panel: Panel, spec: Lines, level: Level) -> list[tuple[int, PointResult]]:
    """Points of one series with their places on the axis."""
    places = {value: place for place, value in enumerate(result.factors[spec.x].values)}
    chosen = result.where({**panel.where, spec.series: level})
    return sorted(((places[p.levels[spec.x]], p) for p in chosen), key=lambda pair: pair[0])


def _values(points: list[tuple[int, PointResult]], path: str, quantity: Quantity) -> list[float]:
    """Numbers for an axis; NaN, which is not drawn, where the run had no answer."""
    found = [_number(point, path) for _, point in points]
    return [math.nan if value is None else value * quantity.factor for value in found]


def _number(point: PointResult, path: str) -> int | float | None:
    return lookup(point.metrics, path) if path.partition(".")[0] in point.metrics else None


def _series(
    axes: Axes, panel: Panel, result: Result, spec: Lines, level: Level, look: style.Look, offset: float
) -> None:
    points = _points(result, panel, spec, level)
    x = [place + offset for place, _ in points]
    middle = _values(points, panel.path, panel.quantity)
    if panel.low and panel.high:  # no whisker without a marker
        low, high = (
            [
                math.nan if math.isnan(at) else end
                for at, end in zip(middle, _values(points, path, panel.quantity))
            ]
            for path in (panel.low, panel.high)
        )
        axes.vlines(x, low, high, color=look.color, linewidth=0.7, zorder=2)
        axes.plot(x, high, linestyle="none", marker="_", color=look.color, markersize=4, markeredgewidth=0.7)
        axes.plot(x, low, linestyle="none", marker="_", color=look.color, markersize=4, markeredgewidth=0.7)
    axes.plot(x, middle, zorder=3, **_line_look(look))


def _line_look(look: style.Look) -> dict[str, object]:
    return {
        "color": look.color,
        "marker": look.marker,
        "linestyle": look.dash,
        "markerfacecolor": look.color if look.filled else "white",
        "markeredgewidth": 0.9,
    }


def _reference(
    axes: Axes,
    panel: Panel,
    reference: Reference,
    levels: list[Level],
    look: dict[str, object],
    offset: float,
) -> None:
    """Markers without a line: these numbers are not the result's."""
    found = [(levels.index(level), values) for level, values in reference.values.items() if level in levels]
    x = [place + offset for place, _ in found]
    low, middle, high = ([values[i] * panel.quantity.factor for _, values in found] for i in range(3))
    axes.vlines(x, low, high, color=REFERENCE_COLOR, linewidth=0.5, zorder=2)
    axes.plot(x, middle, zorder=3, **look)


def _reference_look(index: int) -> dict[str, object]:
    marker = REFERENCE_MARKERS[index % len(REFERENCE_MARKERS)]
    return {"color": REFERENCE_COLOR, "linestyle": "none", "marker": marker, "markersize": 6}


def _references(spec: Lines) -> list[str]:
    """Labels of the references, as they come in the panels."""
    return list(dict.fromkeys(reference.label for panel in spec.panels for reference in panel.references))


def _ideal(axes: Axes, panel: Panel, result: Result, spec: Lines) -> None:
    """A thin line through the least value at each place, behind everything."""
    if panel.ideal is None:
        return
    least: dict[int, float] = {}
    for level in result.factors[spec.series].values:
        points = _points(result, panel, spec, level)
        for (place, _), value in zip(points, _values(points, panel.ideal.path, panel.quantity)):
            if not math.isnan(value):
                least[place] = min(value, least.get(place, math.inf))
    places = sorted(least)
    axes.plot(places, [least[p] for p in places], zorder=1, **IDEAL_LOOK)


def _axes(axes: Axes, panel: Panel) -> None:
    axes.set_ylabel(panel.quantity.label, labelpad=2)
    style.title(axes, panel.title)
    axes.grid(visible=False, axis="x")
    if panel.quantity.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.15g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.margins(y=0.08)


def _legend(figure: Figure, spec: Lines, series: list[Level]) -> None:
    handles = [
        Line2D([], [], label=str(level), **_line_look(style.look(i))) for i, level in enumerate(series)
    ]
    handles += [
        Line2D([], [], label=label, **_reference_look(i)) for i, label in enumerate(_references(spec))
    ]
    labels = {panel.ideal.label for panel in spec.panels if panel.ideal}
    handles += [Line2D([], [], label=label, **IDEAL_LOOK) for label in sorted(labels)]
    figure.legend(
        handles=handles,
        loc="upper center",
        ncol=_legend_shape(spec, series)[1],
        handlelength=2.2,
        columnspacing=1.0,
        handletextpad=0.5,
        borderaxespad=0.1,
    )


def _legend_shape(spec: Lines, series: list[Level]) -> tuple[int, int]:
    """Rows and columns of the legend."""
    entries = (
        len(series)
        + len(_references(spec))
        + len({panel.ideal.label for panel in spec.panels if panel.ideal})
    )
    columns = entries if entries <= COLUMNS + 1 else COLUMNS
    return math.ceil(entries / columns), columns
