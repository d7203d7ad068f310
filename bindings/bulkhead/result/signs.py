"""Policies compared sample by sample: in how many samples one number is lower than another, and an exact sign test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from bulkhead.result.model import Level, Levels, PointResult, Result, lookup

Number = int | float | None


@dataclass(frozen=True)
class Signs:
    """Of the samples in which both have an answer: in how many the first is lower, higher, equal.

    `p` is the probability of signs at least this one-sided if either were as likely to be lower (two-sided, exact;
    equal pairs are left out).
    """

    lower: int
    higher: int
    equal: int
    p: float

    @property
    def pairs(self) -> int:
        """Samples in which both have an answer."""
        return self.lower + self.higher + self.equal


def sign_test(lower: int, higher: int) -> float:
    """The two-sided exact p of a sign test."""
    count = lower + higher
    tail = sum(comb(count, i) for i in range(min(lower, higher) + 1))
    return min(1.0, 2 * tail / (1 << count))


def signs(first: Sequence[Number], second: Sequence[Number]) -> Signs:
    """The signs of pairs; a pair in which either has no answer is left out, as is a sample that only one has.

    Points have the same first samples. One whose samples were apart has further ones.
    """
    pairs = [(a, b) for a, b in zip(first, second) if a is not None and b is not None]
    lower, higher = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    return Signs(lower, higher, len(pairs) - lower - higher, sign_test(lower, higher))


def values(point: PointResult, path: str) -> list[Number]:
    """A number in each sample of a point, in the order of the samples."""
    rows = [row.metrics for row in point.samples] or [point.metrics]
    return [lookup(metrics, path) if path.partition(".")[0] in metrics else None for metrics in rows]


@dataclass(frozen=True)
class Pair:
    """Two policies at one point: the levels that they share, their names, and what their samples say."""

    levels: Levels
    first: str
    second: str
    signs: Signs

    def text(self, path: str) -> str:
        """As a sentence."""
        where = ", ".join(f"{name} {value}" for name, value in self.levels.items())
        found = self.signs
        count = f"{found.lower} of {found.pairs} samples, higher in {found.higher}"
        return (
            f"{path}{f' at {where}' if where else ''}: {self.first} is lower than {self.second} in {count} "
            f"(exact sign test, p = {found.p:.3g})"
        )


def policy_pairs(result: Result, path: str) -> Iterator[Pair]:
    """Every two policies of the result's policy factors at equal other levels, where both have the metric."""
    if result.samples < 2:
        return
    for factor, row in result.factors.items():
        if not row.policies:
            continue
        alike: dict[tuple[tuple[str, Level], ...], list[PointResult]] = {}
        for point in result.points:
            rest = tuple((name, value) for name, value in point.levels.items() if name != factor)
            alike.setdefault(rest, []).append(point)
        for rest, points in alike.items():
            for one, other in combinations(points, 2):
                found = signs(values(one, path), values(other, path))
                if found.pairs:
                    yield Pair(dict(rest), str(one.levels[factor]), str(other.levels[factor]), found)
