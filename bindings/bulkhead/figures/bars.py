"""Draws `Bars`: a group for each level of a factor, a bar in it for each metric, and a line to compare with."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bulkhead.figures import style
from bulkhead.figures.spec import Bars
from bulkhead.result import PointResult, Result, lookup

PANEL_INCHES = 1.75
HEAD_INCHES = 0.24
GROUP_WIDTH = 0.72
MOST_LEVEL_GROUPS = 3  # with more, their names are slanted
MOST_LEVEL_BARS = 8  # with more, their values stand upright
MOST_VALUES = 24  # more bars leave no room for values
ROW_INCHES = 0.14  # of the legend
COLUMNS = 3


def draw_bars(spec: Bars, result: Result) -> Figure:
    """The figure."""
    caption = style.caption_lines(spec.caption, result)
    groups = result.factors[spec.groups].values
    slanted = len(groups) > MOST_LEVEL_GROUPS
    foot = style.caption_inches(caption) + (
        0.22 if not slanted else 0.14 + 0.035 * max(len(str(g)) for g in groups)
    )
    entries = len(spec.bars) + (spec.line is not None)
    rows = -(-entries // COLUMNS)
    height = HEAD_INCHES + ROW_INCHES * (rows - 1) + PANEL_INCHES + foot
    figure = Figure(figsize=(style.COLUMN_INCHES, height))
    axes = figure.add_axes((0.14, foot / height, 0.845, PANEL_INCHES / height))
    points = [result.where({**spec.where, spec.groups: level}) for level in groups]
    for index, (path, label) in enumerate(spec.bars):
        _bar(axes, spec, points, index, path, label)
    _line(axes, spec, points)
    axes.set_xticks(range(len(groups)), [str(level) for level in groups])
    axes.tick_params(axis="x", length=0)
    if slanted:
        axes.tick_params(axis="x", rotation=35, pad=1)
        for name in axes.get_xticklabels():
            name.set(ha="right", rotation_mode="anchor")
    axes.set_ylabel(spec.quantity.label, labelpad=3)
    axes.grid(visible=False, axis="x")
    axes.margins(x=0.04)
    top = axes.get_ylim()[1]
    axes.set_ylim(0, top * 1.1)
    left = style.left_inches([axes]) / style.COLUMN_INCHES
    axes.set_position((left, foot / height, 0.985 - left, PANEL_INCHES / height))
    handles, labels = axes.get_legend_handles_labels()
    columns = min(COLUMNS, entries)
    figure.legend(handles, labels, loc="upper center", ncol=columns, columnspacing=1.4, borderaxespad=0.2)
    style.write_caption(figure, caption)
    return figure


def _value(points: list[PointResult], spec: Bars, path: str) -> float | None:
    value = lookup(points[0].metrics, path) if points else None
    return None if value is None else value * spec.quantity.factor


def _bar(axes: Axes, spec: Bars, points: list[list[PointResult]], index: int, path: str, label: str) -> None:
    width = GROUP_WIDTH / len(spec.bars)
    offset = (index - (len(spec.bars) - 1) / 2) * width
    found = [(place, _value(group, spec, path)) for place, group in enumerate(points)]
    known = [(place + offset, value) for place, value in found if value is not None]
    look = style.look(index)
    bars = axes.bar(
        [place for place, _ in known],
        [value for _, value in known],
        width=width * 0.94,
        facecolor=look.color if look.filled else "white",
        edgecolor=look.color,
        linewidth=0.8,
        hatch=look.hatch,
        label=label,
    )
    if len(points) * len(spec.bars) > MOST_VALUES:
        return
    upright = len(points) * len(spec.bars) > MOST_LEVEL_BARS
    for text in axes.bar_label(bars, fmt="%.3f", fontsize=6.2, padding=1.8, rotation=90 if upright else 0):
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        text.set_zorder(5)


def _line(axes: Axes, spec: Bars, points: list[list[PointResult]]) -> None:
    """Drawn across each group by itself: what is compared with may differ from one to the next."""
    if spec.line is None:
        return
    path, label = spec.line
    half = 0.5 * (GROUP_WIDTH + 0.16)
    for place, group in enumerate(points):
        value = _value(group, spec, path)
        if value is not None:
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
