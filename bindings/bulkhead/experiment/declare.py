"""The words in which an experiment is declared. A declaration says what to vary and measure; it never runs anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulkhead.experiment.observe import Observed
from bulkhead.experiment.point import DRAIN, DURATION, WARM_UP, Point
from bulkhead.figures.spec import FigureSpec
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import ABIS, WORKLOAD_PREFIX, Guest
from bulkhead.result.model import Level, Result


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `least` to `most`."""

    least: int
    most: int


@dataclass(frozen=True)
class Choice:
    """One of these names."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Policies:
    """Any built policy of a kind (scheduler, memory, ring); `all` stands for every one of them."""

    kind: str


Allowed = Whole | Choice | Policies


@dataclass(frozen=True)
class Factor:
    """Something that is varied. `--set NAME=V,V,...` replaces its levels by others that `allowed` permits."""

    name: str
    help: str
    full: tuple[Level, ...]
    quick: tuple[Level, ...]
    allowed: Allowed
    unit: str = ""


@dataclass(frozen=True)
class Setting:
    """A number held fixed over all points. `--set NAME=V` replaces it within `least` to `most`; several make it a factor."""

    name: str
    help: str
    unit: str
    full: int
    quick: int
    least: int
    most: int


SEED = Setting("seed", "seed of the machine and of every policy", "1", 1, 1, 0, (1 << 63) - 1)

# Every experiment has it, once it is asked for: --set guard=strict.
GUARD = Factor(
    "guard",
    "strict: a hook that writes beyond its policy's memory ejects it",
    (),
    (),
    Choice(("normal", "strict")),
)

# Likewise: --set guest=pv32. The widths of guests that run workloads; mixed: of the second, fourth and so on.
MIXED = "mixed"
GUEST = Factor(
    "guest",
    "guests of 64 bits, of 32 bits (ring 1), or by turns",
    (),
    (),
    Choice((*ABIS, MIXED)),
)


def duration(full: int, quick: int) -> Setting:
    """How long each run lasts; every experiment has it."""
    return Setting(DURATION, "virtual time of each run", "ms", full, quick, 20, 600_000)


def warm_up(full: int, quick: int) -> Setting:
    """How much of each run's beginning is not measured; every experiment has it."""
    return Setting(WARM_UP, "beginning of each run that is not measured", "ms", full, quick, 0, 60_000)


def drain(full: int, quick: int) -> Setting:
    """How long before the end the last delay may begin that is measured, so that slow ones can still end."""
    return Setting(DRAIN, "end of each run in which no new delay is measured", "ms", full, quick, 0, 60_000)


@dataclass(frozen=True)
class Metric:
    """Something measured at a point: a number, None if the run has no answer, or an object of these.

    `when` limits it to the points where it has a meaning; elsewhere the result does not have it.
    """

    name: str
    unit: str
    help: str
    compute: Callable[[Observed], Any]
    when: Callable[[Point], bool] = lambda point: True


@dataclass(frozen=True)
class Comparison:
    """A number made of a metric at a point and at its base line: the point that differs only in the `baseline` levels.

    `combine(here, there)` is not called where either has no answer; the result is then null. Without such a point the
    result does not have the comparison.
    """

    name: str
    unit: str
    help: str
    metric: str  # path, e.g. "throughput" or "latency.p99"
    baseline: Mapping[str, Level]
    combine: Callable[[float, float], float | None]


@dataclass(frozen=True)
class MedianComparison:
    """A number made of all metrics at a point and at its base line, each the median of the samples.

    A `Comparison` pairs samples; this one asks whether what is typical is the same. It is made where the base line exists.
    """

    name: str
    unit: str
    help: str
    baseline: Mapping[str, Level]
    combine: Callable[[Mapping[str, Any], Mapping[str, Any]], float | None]


@dataclass(frozen=True)
class Settling:
    """More samples for a point whose samples are apart, until it has `most` in all.

    `apart(metrics)` is told the metrics of each sample of a point on one back end. It never sees another point, so the
    number of samples cannot lean towards an answer.
    """

    most: int
    apart: Callable[[Sequence[Mapping[str, Any]]], bool]


def every_combination(point: Point) -> str | None:
    """Leaves none out."""
    return None


@dataclass(frozen=True)
class Experiment:
    """A question, what is varied to answer it, what is measured, and how it is drawn."""

    name: str
    title: str
    question: str
    factors: tuple[Factor, ...]
    settings: tuple[Setting, ...]
    machine: Callable[[Point], Machine]
    metrics: tuple[Metric, ...]
    comparisons: tuple[Comparison, ...]
    figures: tuple[FigureSpec, ...]
    samples: int = (
        1  # of each point of a full run, at offsets drawn from the sample's number; a quick run has one
    )
    settling: Settling | None = None  # more samples where these are apart; one sample never is
    simulator_only: str = ""  # why the hypervisor cannot carry it out; empty if it can
    hypervisor_only: str = ""  # why the simulator has no answer to its question; empty if it has
    median_comparisons: tuple[MedianComparison, ...] = ()
    observe: Callable[[Run, Point, str], Observed] = Observed.of  # how a run is seen, given its label
    excludes: Callable[[Point], str | None] = every_combination  # why a combination of levels is not run
    table: Callable[[Result], str] | None = None  # a document in Markdown that is written beside the figures

    def setting(self, name: str) -> Setting | None:
        """A setting by name, also those that every experiment has."""
        return next((s for s in (*self.settings, SEED) if s.name == name), None)

    def factor(self, name: str) -> Factor | None:
        """A factor by name, also those that every experiment has."""
        return next((f for f in (*self.factors, GUARD, GUEST) if f.name == name), None)

    def _asked(self, point: Point, factor: Factor) -> str | None:
        """The level of one that every experiment has; None if it was not asked for, or is the experiment's own."""
        own = factor.name in [factor.name for factor in self.factors]
        return None if own or factor.name not in point.levels else point.text(factor.name)

    def machine_of(self, point: Point) -> Machine:
        """The machine of a point, under the guard and with the guests' widths that were asked for."""
        machine = self.machine(point)
        guard, width = self._asked(point, GUARD), self._asked(point, GUEST)
        if guard is not None:
            machine = replace(machine, guard=guard)
        if width is not None:
            machine = replace(machine, guests=tuple(_widened(machine.guests, width)))
        return machine


def _widened(guests: Sequence[Guest], width: str) -> Iterator[Guest]:
    """The guests with the ABI of the point; a kernel from a file keeps the ABI of its file."""
    for index, guest in enumerate(guests):
        abi = ABIS[index % len(ABIS)] if width == MIXED else width
        yield replace(guest, abi=abi) if guest.kernel.startswith(WORKLOAD_PREFIX) else guest
