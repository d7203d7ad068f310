"""The answer of an experiment in one sentence, computed from the numbers of its first figure; and the command that made it."""

from __future__ import annotations

import math
import shlex

from bulkhead.experiment.declare import Experiment
from bulkhead.figures.spec import Bars, Course, FigureSpec, Heat, Panel, Quantity
from bulkhead.figures.values import shown
from bulkhead.result import PointResult, Result
from bulkhead.result.model import Level


def answer(spec: FigureSpec, result: Result) -> str:
    """Which level of the figure's series has the least and which the greatest number, at the axis's last level."""
    if isinstance(spec, Course):
        return f"{spec.caption.partition('.')[0]}: see the figure."
    if isinstance(spec, Bars):
        path, label = spec.bars[0]
        points = [(point.levels[spec.groups], point) for point in result.where(spec.where)]
        return _extremes(points, path, spec.quantity, f"{label}, {spec.quantity.label}", "")
    panel = next((one for one in spec.panels if result.where(one.where)), spec.panels[0])
    series, axis = (spec.rows, spec.columns) if isinstance(spec, Heat) else (spec.series, spec.x)
    last = result.factors[axis].values[-1]
    points = [(point.levels[series], point) for point in result.where({**panel.where, axis: last})]
    return _extremes(points, panel.path, panel.quantity, _of(panel), f"At {axis} {last}, ")


def _of(panel: Panel) -> str:
    return f"{panel.title}, {panel.quantity.label}"


def _extremes(
    points: list[tuple[Level, PointResult]], path: str, quantity: Quantity, what: str, where: str
) -> str:
    numbers = [(shown(point, path, quantity, None, None).middle, level) for level, point in points]
    known = sorted(((value, str(level)) for value, level in numbers if not math.isnan(value)))
    if not known:
        return f"{where}{what}: no point has an answer."
    (least, first), (most, last) = known[0], known[-1]
    if len(known) == 1:
        return f"{where}{what} is {least:.4g} with {first}."
    return f"{where}{what} is least with {first} ({least:.4g}) and greatest with {last} ({most:.4g})."


def command(result: Result, experiment: Experiment) -> str:
    """The command that makes the result again."""
    words = ["./bulkhead", "run", result.experiment]
    words += ["--quick"] if result.quick else []
    words += ["--backend", "sim"] if result.backend == "sim" else []
    words += ["--repeat", str(result.repeats)] if result.repeats > 1 else []
    usual = 1 if result.quick else experiment.samples
    words += ["--samples", str(result.samples)] if result.samples != usual else []
    for name, row in result.factors.items():
        factor = experiment.factor(name)
        declared = (factor.quick if result.quick else factor.full) if factor is not None else ()
        if tuple(row.values) != declared:
            words += ["--set", f"{name}={','.join(map(str, row.values))}"]
    for name, held in result.settings.items():
        setting = experiment.setting(name)
        if setting is None or held.value != (setting.quick if result.quick else setting.full):
            words += ["--set", f"{name}={held.value}"]
    words += [word for name, value in result.policy_settings.items() for word in ("--set", f"{name}={value}")]
    return shlex.join(words)
