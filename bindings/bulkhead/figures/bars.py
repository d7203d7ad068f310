"""Draws `Bars`: a group for each level of a factor, a bar or a dot in it for each metric, and a line to compare with."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bulkhead.figures import style
from bulkhead.figures.spec import Bars
from bulkhead.figures.values import Shown, shown
from bulkhead.result import PointResult, Result

PANEL_INCHES = 1.75
GROUP_WIDTH = 0.76
MOST_LEVEL_BARS = 8  # with more, their values stand upright
HEADROOM = 1.18  # for values above the highest bar
MOST_VALUES = 24  # more bars leave no room for values


def draw_bars(spec: Bars, result: Result) -> Figure:
    """The figure."""
    width, groups = style.width_inches(spec.wide), [
        str(level) for level in result.factors[spec.groups].values
    ]
    widest = max(style.text_inches(name) for name in groups)
    slanted = widest > (width - 0.6) / len(groups) - 0.04
    foot = 0.14 + 0.62 * widest if slanted else 0.2
    labels = [label for _, label in spec.bars] + ([spec.line[1]] if spec.line else [])
    head = style.legend_inches(labels, spec.wide) + 0.06
    height = head + PANEL_INCHES + foot
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.14, foot / height, 0.8, PANEL_INCHES / height))
    points = [
        result.where({**spec.where, spec.groups: level}) for level in result.factors[spec.groups].values
    ]
    values = len(points) * len(spec.bars)
    for index, (path, label) in enumerate(spec.bars):
        found = [
            (place, shown(group[0], path, spec.quantity, None, None))
            for place, group in enumerate(points)
            if group
        ]
        (_dots if spec.quantity.log else _bar)(axes, spec, found, index, label, values)
    _line(axes, spec, points)
    _axes(axes, spec, groups, slanted)
    left = style.left_inches([axes]) / width
    axes.set_position((left, foot / height, 1 - style.RIGHT_INCHES / width - left, PANEL_INCHES / height))
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: labels.index(names[i]))
    style.add_legend(figure, [handles[i] for i in order], [names[i] for i in order], spec.wide)
    return figure


def _axes(axes: Axes, spec: Bars, groups: list[str], slanted: bool) -> None:
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.tick_params(axis="x", length=0)
    if slanted:
        axes.tick_params(axis="x", rotation=35, pad=1)
        for name in axes.get_xticklabels():
            name.set(ha="right", rotation_mode="anchor")
    axes.set_ylabel(spec.quantity.label, labelpad=2)
    axes.grid(visible=False, axis="x")
    if spec.quantity.log:
        style.log_axis(axes)
    else:
        axes.set_ylim(0, axes.get_ylim()[1] * HEADROOM)


def _places(spec: Bars, found: list[tuple[int, Shown]], index: int) -> tuple[list[float], list[Shown]]:
    width = GROUP_WIDTH / len(spec.bars)
    known = [(place, value) for place, value in found if not math.isnan(value.middle)]
    offset = (index - (len(spec.bars) - 1) / 2) * width
    return [place + offset for place, _ in known], [value for _, value in known]


def _intervals(axes: Axes, x: list[float], values: list[Shown], color: str) -> bool:
    """Whiskers where the values have intervals; whether there are any."""
    found = [(at, value) for at, value in zip(x, values) if not math.isnan(value.low)]
    if found:
        at, known = zip(*found)
        style.whiskers(axes, at, [value.low for value in known], [value.high for value in known], color)
    return bool(found)


def _bar(axes: Axes, spec: Bars, found: list[tuple[int, Shown]], index: int, label: str, count: int) -> None:
    x, values = _places(spec, found, index)
    look = style.look(index)
    bars = axes.bar(
        x,
        [value.middle for value in values],
        width=GROUP_WIDTH / len(spec.bars) * 0.94,
        facecolor=look.color if look.filled else "white",
        edgecolor=look.color,
        linewidth=0.8,
        hatch=look.hatch,
        label=label,
    )
    if _intervals(axes, x, values, "black") or count > MOST_VALUES:
        return
    upright = 90 if count > MOST_LEVEL_BARS else 0
    for text in axes.bar_label(
        bars, fmt="%.3f", fontsize=style.SMALLEST_POINTS, padding=1.8, rotation=upright
    ):
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        text.set_zorder(5)


def _dots(axes: Axes, spec: Bars, found: list[tuple[int, Shown]], index: int, label: str, count: int) -> None:
    x, values = _places(spec, found, index)
    if index == 0:
        for place, _ in found:
            if place % 2:
                axes.axvspan(place - 0.5, place + 0.5, color=style.BAND, linewidth=0, zorder=0)
    _intervals(axes, x, values, style.look(index).color)
    axes.plot(x, [value.middle for value in values], zorder=3, label=label, **style.look(index).dot)


def _line(axes: Axes, spec: Bars, points: list[list[PointResult]]) -> None:
    """Drawn across each group by itself: what is compared with may differ from one to the next."""
    if spec.line is None:
        return
    path, label = spec.line
    half = 0.5 * (GROUP_WIDTH + 0.16)
    for place, group in enumerate(points):
        value = shown(group[0], path, spec.quantity, None, None).middle if group else math.nan
        if not math.isnan(value):
            axes.hlines(
                value,
                place - half,
                place + half,
                color="black",
                linewidth=1.0,
                linestyle=(0, (3, 1.5)),
                zorder=4,
                label=label if place == 0 else None,
            )
