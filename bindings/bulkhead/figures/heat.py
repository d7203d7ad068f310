"""Draws `Heat`: a grey cell for each pair of levels with its number in it; readable where many series would coincide."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from bulkhead.figures import style
from bulkhead.figures.spec import Heat, Panel
from bulkhead.figures.values import of_panel
from bulkhead.result import Result
from bulkhead.result.model import Level

ROW_INCHES = 0.16
TITLE_INCHES = 0.22
FOOT_INCHES = 0.34
GAP_INCHES = 0.12
GREYS = LinearSegmentedColormap.from_list(
    "bulkhead", ["#ffffff", "#5f7f9f"]
)  # black text is readable on all of it


def draw_heat(spec: Heat, result: Result) -> Figure:
    """The figure, without panels whose points were not run."""
    spec = replace(spec, panels=tuple(p for p in spec.panels if result.where(p.where)) or spec.panels)
    rows, columns = result.factors[spec.rows].values, result.factors[spec.columns].values
    width, count = style.width_inches(spec.wide), len(spec.panels)
    part = TITLE_INCHES + ROW_INCHES * len(rows)
    left = max(style.text_inches(str(row)) for row in rows) + 0.12
    widest = max(style.text_inches(str(column)) for column in columns)
    slanted = widest > (width - left - style.RIGHT_INCHES) / len(columns) - 0.04
    foot = FOOT_INCHES + (0.62 * widest if slanted else 0)
    height = foot + part * count + GAP_INCHES * (count - 1)
    figure = Figure(figsize=(width, height))
    for index, panel in enumerate(spec.panels):
        bottom = height - index * (part + GAP_INCHES) - part
        axes = figure.add_axes(
            (
                left / width,
                bottom / height,
                1 - (left + style.RIGHT_INCHES) / width,
                (part - TITLE_INCHES) / height,
            )
        )
        _cells(axes, panel, _matrix(spec, panel, result, rows, columns))
        axes.set_yticks(range(len(rows)), [str(row) for row in rows])
        last = index == count - 1
        axes.set_xticks(range(len(columns)), [str(column) for column in columns] if last else [])
        if last and slanted:
            axes.tick_params(axis="x", rotation=35, pad=1)
            for name in axes.get_xticklabels():
                name.set(ha="right", rotation_mode="anchor")
        axes.tick_params(length=0)
        style.title(axes, f"{panel.title}: {panel.quantity.label}")
    axes.set_xlabel(spec.x_label, labelpad=2)
    return figure


def _matrix(
    spec: Heat, panel: Panel, result: Result, rows: list[Level], columns: list[Level]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """The numbers; NaN where there is no answer or no point."""
    numbers = np.full((len(rows), len(columns)), math.nan)
    for point in result.where(panel.where):
        place = rows.index(point.levels[spec.rows]), columns.index(point.levels[spec.columns])
        numbers[place] = of_panel(point, panel).middle
    return numbers


def _cells(axes: Axes, panel: Panel, numbers: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> None:
    known = numbers[np.isfinite(numbers)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    log = panel.quantity.log and low > 0 and high > low
    norm = LogNorm(low, high) if log else Normalize(min(low, 0.0), high or 1.0)
    axes.imshow(numbers, cmap=GREYS, norm=norm, aspect="auto", interpolation="nearest")
    axes.grid(visible=False)
    for (row, column), value in np.ndenumerate(numbers):
        axes.text(
            column,
            row,
            _text(float(value)),
            ha="center",
            va="center_baseline",
            fontsize=style.SMALLEST_POINTS,
        )


def _text(value: float) -> str:
    """Three digits or more, all of one kind of number with the same decimals."""
    if math.isnan(value):
        return "–"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{decimals}f}"
