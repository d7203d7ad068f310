"""How far two back ends agree: numbers of the same machine by kind, their distance in units of what is allowed, and the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bulkhead.result.model import PointResult, Result, VersionRow

Numbers = Mapping[str, Mapping[str, float | None]]
FEWEST_DELAYS = 100  # with fewer, the 99th percentile is the longest
NS_PER_US = 1_000


@dataclass(frozen=True)
class Kind:
    """Numbers that are compared alike. `allowed` is the largest distance that counts as agreement, given the hypervisor's."""

    help: str
    allowed_text: str
    allowed: Callable[[float], float]
    decides: bool  # whether a point agrees only if these do
    show: Callable[[float], str]


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


Kinds = Mapping[str, Kind]
SAME = "being the same"  # of what is or is not


def _nanoseconds(value: float) -> str:
    return f"{value / NS_PER_US:,.1f} us"


KINDS: Kinds = {  # for schedulers
    "share": Kind("shares of the pCPU time", "1 percentage point", lambda real: 0.01, True, _percent),
    "p99": Kind(
        "99th percentiles of delays",
        "5 % or 20 us",
        lambda real: max(0.05 * abs(real), 20 * NS_PER_US),
        True,
        _nanoseconds,
    ),
    "p50": Kind(
        "medians of delays",
        "5 % or 20 us",
        lambda real: max(0.05 * abs(real), 20 * NS_PER_US),
        False,
        _nanoseconds,
    ),
    "part": Kind("other parts and counts", "1 percentage point", lambda real: 0.01, False, _percent),
    "rate": Kind(
        "throughputs", "5 %", lambda real: 0.05 * abs(real), False, lambda value: f"{value:,.0f} op/s"
    ),
}


RING_KINDS: Kinds = {  # for ring policies: requests and their delays decide
    "share": replace(KINDS["share"], decides=False),
    "p99": Kind(
        "99th percentiles of delays",
        "10 % or 50 us",
        lambda real: max(0.10 * abs(real), 50 * NS_PER_US),
        True,
        _nanoseconds,
    ),
    "part": KINDS["part"],
    "rate": Kind("throughputs", "2 %", lambda real: 0.02 * abs(real), True, lambda value: f"{value:,.1f} /s"),
}


MEMORY_KINDS: Kinds = {  # for memory policies: who has how much, and how long it takes
    "share": replace(KINDS["share"], decides=False),
    "memory": Kind(
        "amounts of memory", "2 %", lambda real: 0.02 * abs(real), True, lambda value: f"{value:,.2f} MiB"
    ),
    "time": Kind("times", "10 %", lambda real: 0.10 * abs(real), True, _nanoseconds),
    "came": Kind("ends of waiting", SAME, lambda real: 0.5, True, lambda value: "yes" if value else "never"),
    "part": KINDS["part"],
    "rate": KINDS["rate"],
}


def numbers_of(metric: str, unit: str, value: Any) -> Iterator[tuple[str, str, float | None]]:
    """The comparable numbers of a metric's value: kind, name, number. Other units and percentiles have none.

    A time that is None is one of something that never came. Times by name, such as clocks, are not compared.
    """
    if isinstance(value, Mapping) and "p99" in value:
        if value["count"] >= FEWEST_DELAYS:
            yield "p50", metric, value["p50"]
            yield "p99", metric, value["p99"]
    elif isinstance(value, Mapping):
        for name, part in value.items() if unit != "ns" else ():
            yield from numbers_of(f"{metric} {name}", unit, part)
    elif unit in ("1", "%"):
        scale = 0.01 if unit == "%" else 1.0
        kind = "share" if metric.partition(" ")[0] == "share" else "part"
        yield kind, metric, None if value is None else scale * value
    elif unit.startswith("op/") or unit == "1/s":
        yield "rate", metric, value
    elif unit == "MiB":
        yield "memory", metric, value
    elif unit == "ns":
        yield "time", metric, value
        yield "came", metric, float(value is not None)


def scattered(samples: Sequence[Numbers], kinds: Kinds = KINDS) -> bool:
    """Whether a number that decides lies further apart in the samples of one point than is allowed between two back ends."""
    for kind, words in kinds.items():
        found: dict[str, list[float]] = {}
        for sample in samples if words.decides else ():
            for name, value in sample.get(kind, {}).items():
                if value is not None:
                    found.setdefault(name, []).append(value)
        for values in found.values():
            if max(values) - min(values) > words.allowed(statistics.median(values)):
                return True
    return False


@dataclass(frozen=True)
class Pair:
    """A number on both back ends. `distance` is in units of what is allowed: up to 1 it agrees."""

    kind: str
    name: str
    simulated: float
    real: float
    kinds: Kinds = field(default_factory=lambda: KINDS, repr=False, compare=False)

    @property
    def words(self) -> Kind:
        """What is said of its kind."""
        return self.kinds[self.kind]

    @property
    def distance(self) -> float:
        """|simulated - real| over what is allowed; nothing is allowed beside nothing."""
        apart, allowed = abs(self.simulated - self.real), self.words.allowed(self.real)
        return apart / allowed if allowed else 0.0 if apart == 0 else math.inf


def pairs(simulated: Numbers, real: Numbers, kinds: Kinds = KINDS) -> list[Pair]:
    """The numbers that both have."""
    found = []
    for kind in kinds:
        here, there = simulated.get(kind, {}), real.get(kind, {})
        for name, value in there.items():
            other = here.get(name)
            if value is not None and other is not None:
                found.append(Pair(kind, name, other, value, kinds))
    return found


def worst(kind: str, simulated: Numbers, real: Numbers, kinds: Kinds = KINDS) -> float | None:
    """The largest distance among the numbers of a kind; None if there are none."""
    return max((pair.distance for pair in pairs(simulated, real, kinds) if pair.kind == kind), default=None)


@dataclass(frozen=True)
class Compared:
    """A point that was carried out on both back ends."""

    point: PointResult  # simulated
    other: PointResult  # on the hypervisor
    pairs: list[Pair]

    @property
    def agrees(self) -> bool:
        """Whether all numbers that decide are within what is allowed."""
        return all(pair.distance <= 1 for pair in self.pairs if pair.words.decides)

    def phases_decide(self, pair: Pair) -> bool:
        """Whether the samples of the back ends overlap: then one back end at two phases differs as the two do."""
        here, there = (_range(point, pair) for point in (self.point, self.other))
        return here is not None and there is not None and here[0] <= there[1] and there[0] <= here[1]


def compared(result: Result, backend: str, kinds: Kinds = KINDS) -> list[Compared]:
    """Every point of the simulator that has its counterpart and numbers to compare; `backend` is the factor's name."""
    real = {_key(point, backend): point for point in result.where({backend: "qemu"})}
    found = []
    for point in result.where({backend: "sim"}):
        other = real.get(_key(point, backend))
        if other is not None and (both := pairs(point.metrics, other.metrics, kinds)):
            found.append(Compared(point, other, both))
    return found


def _range(point: PointResult, pair: Pair) -> tuple[float, float] | None:
    """The least and the largest of a number over a point's samples; None if there is one sample, or none has it."""
    values = [sample.metrics.get(pair.kind, {}).get(pair.name) for sample in point.samples]
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) > 1 else None


def _key(point: PointResult, backend: str) -> tuple[tuple[str, int | str], ...]:
    return tuple(sorted((name, level) for name, level in point.levels.items() if name != backend))


PHASES = "phases decide: the samples of the back ends overlap"
Reason = Callable[[Mapping[str, int | str], Pair], str | None]


def table(result: Result, backend: str, group: str, reason: Reason, kinds: Kinds = KINDS) -> str:
    """A document: how many numbers and points agree, by kind and by levels of the factor `group`, and each outlier."""
    rows = compared(result, backend, kinds)
    agreeing = sum(row.agrees for row in rows)
    part = 100 * agreeing / len(rows) if rows else 0.0
    most = max((len(row.point.samples) for row in rows), default=0)
    behind = f"medians of {result.samples} samples" if result.samples > 1 else "of one phase"
    if most > result.samples:
        behind += f",\nand of {most} where these are further apart than that"
    lines = [
        f"# {result.title}",
        "",
        f"{agreeing} of {len(rows)} points agree ({part:.1f} %): {_deciding(kinds)}. Numbers are {behind}.",
        f"Made with {_versions(result.versions)}.",
        "",
    ]
    lines += _summary(result, rows, group, kinds)
    lines += _outliers(rows, backend, reason)
    return "\n".join(lines) + "\n"


def _versions(versions: VersionRow) -> str:
    changed = ", with changes," if versions.dirty else ""
    return f"commit {versions.commit[:12]}{changed} and QEMU {versions.qemu}"


def _deciding(kinds: Kinds) -> str:
    parts = [
        f"all their {words.help} are {'the same' if words.allowed_text == SAME else f'within {words.allowed_text}'}"
        for words in kinds.values()
        if words.decides
    ]
    return "\nand ".join(parts)


def _summary(result: Result, rows: Sequence[Compared], group: str, kinds: Kinds) -> list[str]:
    lines = [
        f"| numbers | {group} | compared | within | agree | median distance | largest |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for kind, words in kinds.items():
        for level in result.factors[group].values:
            found = [
                pair.distance
                for row in rows
                if row.point.levels[group] == level
                for pair in row.pairs
                if pair.kind == kind
            ]
            if found:
                agree = 100 * sum(distance <= 1 for distance in found) / len(found)
                lines.append(
                    f"| {words.help} | {level} | {len(found)} | {words.allowed_text} | {agree:.1f} % | "
                    f"{statistics.median(found):.2f} | {max(found):.1f} |"
                )
    return [*lines, "", "A distance of 1 is what is allowed.", ""]


def _outliers(rows: Sequence[Compared], backend: str, reason: Reason) -> list[str]:
    lines = [
        "## Outliers",
        "",
        "| point | number | hypervisor | simulator | reason |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for row in rows:
        levels = {name: level for name, level in row.point.levels.items() if name != backend}
        label = ", ".join(str(level) for level in levels.values())
        outside = [pair for pair in row.pairs if pair.words.decides and pair.distance > 1]
        if outside:
            pair = max(outside, key=lambda each: each.distance)
            show = pair.words.show
            more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
            why = PHASES if row.phases_decide(pair) else reason(levels, pair) or "not explained"
            lines.append(
                f"| {label} | {pair.name}{more} | {show(pair.real)} | {show(pair.simulated)} | {why} |"
            )
    return lines
