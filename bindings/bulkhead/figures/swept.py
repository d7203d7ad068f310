"""Figures of a sweep: a setting that was given several values becomes the axis of what is declared over a factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bulkhead.figures.spec import Bars, Course, FigureSpec, Heat, Lines, Panel
from bulkhead.result import Result
from bulkhead.result.model import Level

MOST_PANELS = 6


def over_swept(spec: FigureSpec, result: Result, swept: Sequence[str]) -> FigureSpec:
    """The figure as it is drawn where the settings `swept` have several levels each.

    `Lines` get the setting with the most levels as their axis, and a panel for each level of their own. Other figures
    show the last level of each setting, and say so.
    """
    swept = [name for name in swept if len(result.factors[name].values) > 1 and name not in _axes(spec)]
    if not swept:
        return spec
    if isinstance(spec, Lines):
        return _lines(spec, result, swept)
    last = {name: result.factors[name].values[-1] for name in swept}
    caption = f"{spec.caption} All at {_text(last)}."
    if isinstance(spec, Bars):
        return replace(spec, where={**spec.where, **last}, caption=caption)
    if isinstance(spec, Heat):
        fixed = tuple(replace(panel, where={**panel.where, **last}) for panel in spec.panels)
        return replace(spec, panels=fixed, caption=caption)
    return replace(
        spec, panels=tuple((title, {**where, **last}) for title, where in spec.panels), caption=caption
    )


def _axes(spec: FigureSpec) -> tuple[str, ...]:
    """Factors over which a figure is declared."""
    if isinstance(spec, Lines):
        return (spec.x, spec.series)
    if isinstance(spec, Heat):
        return (spec.rows, spec.columns)
    return (spec.groups,) if isinstance(spec, Bars) else ()


def _lines(spec: Lines, result: Result, swept: Sequence[str]) -> Lines:
    axis = max(swept, key=lambda name: len(result.factors[name].values))
    fixed = [spec.x, *(name for name in swept if name != axis)]
    levels = [
        dict(zip(fixed, found)) for found in itertools.product(*(result.factors[n].values for n in fixed))
    ]
    shown = [level for level in levels if result.where(level)][-max(1, MOST_PANELS // len(spec.panels)) :]
    panels = tuple(_panel(panel, level, len(levels)) for panel in spec.panels for level in shown)
    row = result.factors[axis]
    left = len(levels) - len(shown)
    more = f" {left} of {len(levels)} levels of {', '.join(fixed)} have no panel." if left else ""
    label = f"{row.help} [{row.unit}]" if row.unit not in ("", "1") else row.help
    return replace(spec, x=axis, x_label=label, panels=panels, caption=spec.caption + more)


def _panel(panel: Panel, level: Mapping[str, Level], levels: int) -> Panel:
    title = f"{panel.title}, {_text(level)}" if levels > 1 else panel.title
    return replace(panel, where={**panel.where, **level}, title=title, references=())


def _text(levels: Mapping[str, Level]) -> str:
    return ", ".join(f"{name} {level}" for name, level in levels.items())


def is_drawn(spec: FigureSpec, result: Result) -> bool:
    """Whether any point of the figure was run."""
    if isinstance(spec, Bars):
        return bool(result.where(spec.where))
    if isinstance(spec, Course):
        return any(result.where(where) for _, where in spec.panels)
    return isinstance(spec, Lines) or any(result.where(panel.where) for panel in spec.panels)
