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
    """One pair of axes of a `Lines` figure. `low` and `high` draw a whisker at each marker (for example p50 and max)."""

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
    """Panels one above the other over one factor; one line for each level of another."""

    name: str
    caption: str
    x: str
    x_label: str
    series: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Bars:
    """Groups of bars, one group for each level of a factor, one bar in it for each (path, label)."""

    name: str
    caption: str
    groups: str
    bars: tuple[tuple[str, str], ...]
    quantity: Quantity
    line: tuple[str, str] | None = None  # path and label of a horizontal line
    where: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """Panels one above the other over time, each of one point (title, levels); one line for each part.

    `path` names a metric {part: {time in ms: value}}, `marks` one {name: time in ms} of what is drawn as upright lines.
    """

    name: str
    caption: str
    path: str
    marks: str
    x_label: str
    quantity: Quantity
    panels: tuple[tuple[str, Mapping[str, Level]], ...]


FigureSpec = Lines | Bars | Course
