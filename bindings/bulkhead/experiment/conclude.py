"""From the numbers of all points to the result: comparisons with base lines, agreement of repetitions, descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bulkhead.backend.versions import NO_QEMU
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.archive import Captured
from bulkhead.experiment.declare import SEED, Comparison, Experiment
from bulkhead.experiment.plan import Plan
from bulkhead.experiment.point import BACKEND
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
from bulkhead.result.model import Level


def conclude(
    plan: Plan, captures: Sequence[Captured], points: Sequence[PointResult], warnings: Sequence[str]
) -> Result:
    """The result of one repetition of every point, in the order of the plan. `captures` are the runs behind `points`."""
    experiment = plan.experiment
    by_levels = {_key(point.levels): point for point in points}
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
        warnings=[*warnings, *_ejections(points)],
        points=[_compared(experiment, point, by_levels) for point in points],
        left_out=dict(plan.left_out),
    )


def _factor_rows(plan: Plan) -> dict[str, FactorRow]:
    rows = {f.name: FactorRow(f.help, f.unit, list(plan.levels[f.name])) for f in plan.experiment.factors}
    return rows | {s.name: FactorRow(s.help, s.unit, list(plan.levels[s.name])) for s in plan.swept}


def _metric_rows(experiment: Experiment) -> dict[str, MetricRow]:
    rows = {m.name: MetricRow(m.help, m.unit, None, None) for m in experiment.metrics}
    rows |= {c.name: MetricRow(c.help, c.unit, c.metric, dict(c.baseline)) for c in experiment.comparisons}
    return rows


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


def _ejections(points: Sequence[PointResult]) -> list[str]:
    return [
        f"{_label(point)}: policy {policy.name} was ejected at {policy.ejected_at} ns: {policy.ejected} in the hook {policy.hook}"
        for point in points
        for policy in point.policies
        if policy.ejected is not None
    ]


def _label(point: PointResult) -> str:
    return ",".join(f"{name}={value}" for name, value in point.levels.items())


def _key(levels: Mapping[str, Level]) -> tuple[tuple[str, Level], ...]:
    return tuple(sorted(levels.items()))


def _compared(
    experiment: Experiment, point: PointResult, points: Mapping[tuple[tuple[str, Level], ...], PointResult]
) -> PointResult:
    found = {c.name: _compare(c, point, points) for c in experiment.comparisons}
    return replace(point, metrics=point.metrics | {name: value[0] for name, value in found.items() if value})


def _compare(
    comparison: Comparison,
    point: PointResult,
    points: Mapping[tuple[tuple[str, Level], ...], PointResult],
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
