"""Two results of one experiment, before and after a change: by how much each number moved, and whether a bound is passed.

Exact runs are compared as they are. Where both have the same samples, changes are taken sample by sample, and a bound is
passed only if the signs of the samples say so, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkhead.base.errors import SpecError
from bulkhead.result.model import PointResult, Result
from bulkhead.result.samples import median
from bulkhead.result.signs import Signs, signs, values

BOUND = re.compile(r"([\w.]+)([<>])([+-]?\d+(?:\.\d+)?)(%?)")
SIGNIFICANT = 0.05
FEWEST_SAMPLES = 6  # with fewer, no signs are so one-sided


@dataclass(frozen=True)
class Bound:
    """A change of a metric that is too much: above or below `amount`, in its unit or in per cent of the first number."""

    path: str
    above: bool
    amount: float
    percent: bool

    @staticmethod
    def of(text: str) -> Bound:
        """Of "latency.p99>5%" or "share.victim<-0.01". SpecError says what to write."""
        found = BOUND.fullmatch(text.replace(" ", ""))
        if found is None:
            raise SpecError(f"--fail-if {text}: write METRIC>BOUND, for example 'latency.p99>5%'")
        return Bound(found[1], found[2] == ">", float(found[3]), bool(found[4]))

    def text(self) -> str:
        """As it was written."""
        return f"{self.path}{'>' if self.above else '<'}{self.amount:g}{'%' if self.percent else ''}"

    def passed(self, change: Change) -> bool:
        """Whether a change passes the bound; of samples, at least half of them and more than chance would."""
        moved = change.percent if self.percent else change.by
        if moved is None or not (moved > self.amount if self.above else moved < self.amount):
            return False
        if change.signs.pairs == 1:
            return True
        towards = change.signs.lower if self.above else change.signs.higher  # the first is lower: it grew
        return change.signs.p <= SIGNIFICANT and 2 * towards > change.signs.pairs


@dataclass(frozen=True)
class Change:
    """A number of one point in two results. `by` and `percent` are medians of the samples' changes; None: no answer."""

    label: str
    path: str
    first: int | float | None
    second: int | float | None
    by: float | None
    percent: float | None
    signs: Signs

    def text(self) -> str:
        """One line."""
        numbers = " -> ".join("none" if n is None else f"{n:,.6g}" for n in (self.first, self.second))
        moved = "" if self.percent is None else f" ({self.percent:+.3g} %)"
        found = self.signs
        paired = (
            f"; grew in {found.lower} of {found.pairs} samples, shrank in {found.higher}, p = {found.p:.3g}"
            if found.pairs > 1
            else ""
        )
        return f"{self.label}: {self.path} {numbers}{moved}{paired}"


def _middle(numbers: Sequence[int | float | None]) -> int | float | None:
    known = [number for number in numbers if number is not None]
    return median(known) if 2 * len(known) > len(numbers) else None


def _same_samples(one: PointResult, other: PointResult, declared: int) -> bool:
    """Of those that every point has; a point whose samples were apart has further ones."""
    rows, others = one.samples[:declared], other.samples[:declared]
    return [(row.sample, row.starts_ns, row.phases_ns) for row in rows] == [
        (row.sample, row.starts_ns, row.phases_ns) for row in others
    ]


def _change(label: str, path: str, one: PointResult, other: PointResult) -> Change:
    try:
        first, second = values(one, path), values(other, path)
    except LookupError as error:
        raise SpecError(f"{label}: {error.args[0]}") from None
    pairs = [(a, b) for a, b in zip(first, second) if a is not None and b is not None]
    moved = [b - a for a, b in pairs]
    parts = [100 * (b - a) / abs(a) for a, b in pairs if a]
    return Change(
        label=label,
        path=path,
        first=_middle(first),
        second=_middle(second),
        by=median(moved) if moved else None,
        percent=median(parts) if len(parts) == len(pairs) and parts else None,
        signs=signs(first, second),
    )


def changes(first: Result, second: Result, paths: Sequence[str]) -> Iterator[Change]:
    """The changes of these metrics at every point that both results have.

    SpecError if the results are of two experiments, have no point in common, or do not have the same samples.
    """
    if first.experiment != second.experiment:
        raise SpecError(f"one result is of {first.experiment}, the other of {second.experiment}")
    common = [(point, other) for point in first.points for other in second.where(point.levels)]
    if not common:
        raise SpecError("the results have no point in common")
    for one, other in common:
        label = ",".join(f"{name}={value}" for name, value in one.levels.items())
        if not _same_samples(one, other, max(first.samples, second.samples)):
            raise SpecError(
                f"{label}: the results do not have the same samples; run both with one --samples N"
            )
        for path in paths:
            name = path.partition(".")[0]
            if name in one.metrics and name in other.metrics:
                yield _change(label, path, one, other)


def check_bounds(bounds: Sequence[Bound], first: Result) -> None:
    """SpecError for a metric that the result does not have, or samples too few for any verdict."""
    for bound in bounds:
        if bound.path.partition(".")[0] not in first.metrics:
            raise SpecError(f"--fail-if {bound.text()}: {first.experiment} has no metric '{bound.path}'")
    if bounds and 1 < first.samples < FEWEST_SAMPLES:
        raise SpecError(
            f"--fail-if: {first.samples} samples can never tell a change from chance; run at least {FEWEST_SAMPLES}"
        )
