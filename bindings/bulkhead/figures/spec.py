"""The words in which an experiment declares its figures. Paths name metrics of the result, e.g. "latency.p99"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulkhead.result.model import Level


@dataclass(frozen=True)
class Quantity:
    """The quantity of an axis: the metric's number times `factor`, under a label that names the unit after it."""

    label: str
    factor: float = 1.0
    log: bool = False


@dataclass(frozen=True)
class Ideal:
    """The bound that no policy can beat: at each place of the axis the least of a metric over all series."""

    path: str
    label: str = "ideal"


@dataclass(frozen=True)
class Reference:
    """Numbers measured elsewhere: drawn beside the result's own, never joined to them and never part of a result.

    `values` are (low, value, high) in the metric's unit, by level of the figure's axis.
    """

    label: str
    source: str
    values: Mapping[Level, tuple[float, float, float]]


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `low` and `high` draw a whisker at each marker (for example p50 and max) where there is one phase.

    With several samples the marker is their median and the whisker their interval. A `Heat` figure has no whiskers, no
    ideal and no references.
    """

    path: str
    quantity: Quantity
    title: str
    where: Mapping[str, Level] = field(default_factory=dict)
    low: str | None = None
    high: str | None = None
    ideal: Ideal | None = None
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Panels one above the other over one factor, with a series for each level of another.

    A series over numbers is a line, on an axis to scale. Over names it is dots: categories are never joined. `wide` figures
    are as wide as a journal's page and not its column.
    """

    name: str
    caption: str
    x: str
    x_label: str
    series: str
    panels: tuple[Panel, ...]
    wide: bool = False


@dataclass(frozen=True)
class Bars:
    """Groups of bars, one group for each level of a factor, one bar in it for each (path, label).

    On a logarithmic axis, where a bar's length would mean nothing, dots.
    """

    name: str
    caption: str
    groups: str
    bars: tuple[tuple[str, str], ...]
    quantity: Quantity
    line: tuple[str, str] | None = None  # path and label of a horizontal line
    where: Mapping[str, Level] = field(default_factory=dict)
    wide: bool = False


@dataclass(frozen=True)
class Heat:
    """A heat map for each panel: a row for each level of one factor, a column for each of another, the number in each cell."""

    name: str
    caption: str
    rows: str
    columns: str
    x_label: str
    panels: tuple[Panel, ...]
    wide: bool = False


@dataclass(frozen=True)
class Course:
    """Panels over time on one page, each of one point (title, levels); one line for each part.

    `path` names a metric {part: {time in ms: value}}, `marks` one {name: time in ms} of what is drawn as upright lines.
    """

    name: str
    caption: str
    path: str
    marks: str
    x_label: str
    quantity: Quantity
    panels: tuple[tuple[str, Mapping[str, Level]], ...]


FigureSpec = Lines | Bars | Heat | Course


def shown_paths(spec: FigureSpec) -> list[str]:
    """Paths of the numbers that a figure shows; a `Course` shows whole objects."""
    if isinstance(spec, Bars):
        return [path for path, _ in spec.bars]
    return [panel.path for panel in spec.panels] if isinstance(spec, Lines | Heat) else []
