"""From the numbers of all points to the result: comparisons with base lines, agreement of repetitions, descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bulkhead.backend.versions import NO_QEMU
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.archive import Captured
from bulkhead.experiment.declare import GUARD, GUEST, SEED, Comparison, Experiment, Policies
from bulkhead.experiment.plan import Plan
from bulkhead.experiment.point import BACKEND
from bulkhead.experiment.shift import offsets
from bulkhead.result import (
    FORMAT_VERSION,
    FactorRow,
    MetricRow,
    PointResult,
    Result,
    SettingRow,
    VersionRow,
    lookup,
)
from bulkhead.result.model import ORIGINS, Level, Spread
from bulkhead.result.samples import merged, sample_row

_Key = tuple[tuple[str, Level], ...]


def conclude(
    plan: Plan, captures: Sequence[Captured], points: Sequence[PointResult], warnings: Sequence[str]
) -> Result:
    """The result of one repetition of every sample of every point, in the order of the plan.

    `points` are the numbers of the captures with repetition 0, in their order. Comparisons are made sample by sample.
    """
    experiment = plan.experiment
    firsts = [captured for captured in captures if captured.repeat == 0]
    repeats = 1 + max(captured.repeat for captured in captures)
    return Result(
        format_version=FORMAT_VERSION,
        experiment=experiment.name,
        title=experiment.title,
        question=experiment.question,
        backend=_backend(plan, captures),
        quick=plan.quick,
        seed=captures[0].point.number(SEED.name),
        repeats=repeats,
        reproducible=all(c.run.reproducible for c in captures),
        factors=_factor_rows(plan),
        settings={
            s.name: SettingRow(s.help, s.unit, plan.settings[s.name])
            for s in (*experiment.settings, SEED)
            if s.name in plan.settings
        },
        policy_settings=dict(plan.policy_settings),
        metrics=_metric_rows(experiment),
        versions=_versions(captures),
        warnings=[*warnings, *_ejections(firsts, points), *_without_effect(firsts)],
        points=_merged(experiment, firsts, points),
        left_out=dict(plan.left_out),
        samples=plan.samples,
        origin=_origin(captures),
    )


def _merged(
    experiment: Experiment, firsts: Sequence[Captured], points: Sequence[PointResult]
) -> list[PointResult]:
    """One point of all its samples, with the comparisons of each sample."""
    by_sample: dict[int, dict[_Key, PointResult]] = {}
    for captured, point in zip(firsts, points, strict=True):
        by_sample.setdefault(captured.sample, {})[_key(point.levels)] = point
    found: dict[_Key, list[tuple[Captured, PointResult]]] = {}
    for captured, point in zip(firsts, points, strict=True):
        compared = _compared(experiment, point, by_sample[captured.sample])
        found.setdefault(_key(point.levels), []).append((captured, compared))
    points_of = {key: _of_samples(experiment, runs) for key, runs in found.items()}
    return [_with_medians(experiment, point, points_of) for point in points_of.values()]


def _of_samples(experiment: Experiment, runs: Sequence[tuple[Captured, PointResult]]) -> PointResult:
    """One point of the runs of its samples."""
    if len(runs) == 1:
        return runs[0][1]
    rows = []
    for captured, point in runs:
        drawn = offsets(experiment.machine_of(captured.point), captured.sample)
        starts = {guest: offset.start_ns for guest, offset in drawn.items()}
        phases = {guest: offset.phase_ns for guest, offset in drawn.items() if offset.phase_ns}
        rows.append(sample_row(captured.sample, starts, phases, point))
    return merged([point for _, point in runs], rows)


def _with_medians(
    experiment: Experiment, point: PointResult, points: Mapping[_Key, PointResult]
) -> PointResult:
    values = {}
    for comparison in experiment.median_comparisons:
        base = points.get(_key(point.levels | dict(comparison.baseline)))
        if base is not None and base is not point:
            values[comparison.name] = comparison.combine(point.metrics, base.metrics)
    known = {
        name: Spread(value, value, len(point.samples)) for name, value in values.items() if value is not None
    }
    spread = point.spread | (known if point.samples else {})
    return replace(point, metrics=point.metrics | values, spread=spread)


def _factor_rows(plan: Plan) -> dict[str, FactorRow]:
    rows = {
        f.name: FactorRow(
            f.help,
            f.unit,
            list(plan.levels[f.name]),
            f.allowed.kind if isinstance(f.allowed, Policies) else "",
        )
        for f in (*plan.experiment.factors, GUARD, GUEST)
        if f.name in plan.levels
    }
    return rows | {s.name: FactorRow(s.help, s.unit, list(plan.levels[s.name])) for s in plan.swept}


def _metric_rows(experiment: Experiment) -> dict[str, MetricRow]:
    rows = {m.name: MetricRow(m.help, m.unit, None, None) for m in experiment.metrics}
    rows |= {c.name: MetricRow(c.help, c.unit, c.metric, dict(c.baseline)) for c in experiment.comparisons}
    return rows | {
        c.name: MetricRow(c.help, c.unit, "all", dict(c.baseline)) for c in experiment.median_comparisons
    }


def _origin(captures: Sequence[Captured]) -> str:
    return " and ".join(ORIGINS.get(name, name) for name in sorted({c.backend for c in captures}))


def _backend(plan: Plan, captures: Sequence[Captured]) -> str:
    if BACKEND in plan.levels:
        return "+".join(sorted({c.backend for c in captures}))
    return str(_only({c.backend for c in captures}, "back end"))


def _versions(captures: Sequence[Captured]) -> VersionRow:
    """Those of all runs; the simulator's, which know no QEMU, count as of the QEMU of the others."""
    all_versions = {c.run.versions for c in captures}
    real = {v for v in all_versions if v.qemu != NO_QEMU} or all_versions
    if {replace(v, qemu="") for v in all_versions} != {replace(v, qemu="") for v in real}:
        real = all_versions
    versions = _only(real, "version")
    return VersionRow(
        versions.commit, versions.dirty, versions.qemu, versions.compiler, versions.trace_schema
    )


def _only(values: set[Any], what: str) -> Any:
    if len(values) != 1:
        raise BulkheadError(f"the captured runs are not of one {what}; capture them all again")
    return values.pop()


def _ejections(firsts: Sequence[Captured], points: Sequence[PointResult]) -> list[str]:
    return [
        f"{captured.label}: policy {policy.name} was ejected at {policy.ejected_at} ns: "
        f"{policy.ejected} in the hook {policy.hook}"
        for captured, point in zip(firsts, points, strict=True)
        for policy in point.policies
        if policy.ejected is not None
    ]


def _without_effect(firsts: Sequence[Captured]) -> list[str]:
    """Settings that had no effect, each once with the number of its runs."""
    counts: dict[str, int] = {}
    for captured in firsts:
        for warning in captured.run.warnings:
            counts[warning] = counts.get(warning, 0) + 1
    return [f"{count} of {len(firsts)} runs: {warning}" for warning, count in counts.items()]


def _key(levels: Mapping[str, Level]) -> _Key:
    return tuple(sorted(levels.items()))


def _compared(experiment: Experiment, point: PointResult, points: Mapping[_Key, PointResult]) -> PointResult:
    found = {c.name: _compare(c, point, points) for c in experiment.comparisons}
    return replace(point, metrics=point.metrics | {name: value[0] for name, value in found.items() if value})


def _compare(
    comparison: Comparison,
    point: PointResult,
    points: Mapping[_Key, PointResult],
) -> tuple[float | None] | None:
    """The compared number in a tuple, or None where the metric or the base line does not exist."""
    name = comparison.metric.partition(".")[0]
    wanted = point.levels | dict(comparison.baseline)
    base = points.get(_key(wanted))
    if base is None or name not in point.metrics or name not in base.metrics:
        return None
    here, there = lookup(point.metrics, comparison.metric), lookup(base.metrics, comparison.metric)
    if here is None or there is None:
        return (None,)
    return (comparison.combine(here, there),)
