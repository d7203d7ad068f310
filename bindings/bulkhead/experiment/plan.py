"""From a declaration and the user's choices to the points that will be run. Everything is checked before anything runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bulkhead.base.errors import SpecError
from bulkhead.base.text import parse_integer, suggest
from bulkhead.experiment.declare import SEED, Allowed, Choice, Experiment, Factor, Policies, Setting, Whole
from bulkhead.experiment.point import BACKEND, DURATION, PARAMETER_MARK, WARM_UP, Point
from bulkhead.figures.spec import shown_paths
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose, is_file_name, parse_policy
from bulkhead.policy.tables import built_policies
from bulkhead.result.model import Level

RANGE = re.compile(r"(\d+)\.\.(\d+)(?::(\d+))?")
MOST_LEVELS = 100_000
MOST_SAMPLES = 10_000
PolicyNames = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """The points of an experiment, and the choices behind them."""

    experiment: Experiment
    quick: bool
    levels: Mapping[str, tuple[Level, ...]]
    settings: Mapping[str, int]
    policy_settings: Mapping[str, int]
    samples: int = 1
    swept: tuple[Setting, ...] = ()  # settings that were given several values; `levels` has them
    left_out: Mapping[str, str] = field(default_factory=dict)  # points by label, and why they are not run

    @property
    def combinations(self) -> list[Point]:
        """Every combination, the last factor varying fastest."""
        combinations = itertools.product(*self.levels.values())
        return [
            Point(dict(zip(self.levels, values)), self.settings, self.policy_settings)
            for values in combinations
        ]

    @property
    def points(self) -> list[Point]:
        """Those that are run."""
        return [point for point in self.combinations if point.label not in self.left_out]


def built_policy_names(kind: str) -> Sequence[str]:
    """Names of the policies that are built."""
    return sorted(built_policies(kind))


def make_plan(
    experiment: Experiment,
    quick: bool,
    sets: Sequence[str] = (),
    policy_names: PolicyNames = built_policy_names,
    samples: int | None = None,
) -> Plan:
    """Apply `--set NAME=VALUE` texts, and `--samples` if given.

    SpecError, in one line, for an unknown name or a value that is not allowed."""
    levels = {factor.name: factor.quick if quick else factor.full for factor in experiment.factors}
    settings = {s.name: s.quick if quick else s.full for s in (*experiment.settings, SEED)}
    policy_settings: dict[str, int] = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise SpecError(f"--set {text}: write NAME=VALUE, for example --set {_example(experiment)}")
        factor, setting = experiment.factor(name), experiment.setting(name)
        if factor is not None:
            levels[name] = _levels(factor, value, policy_names)
        elif setting is not None:
            allowed = Whole(setting.least, setting.most)
            values = _levels(Factor(name, setting.help, (), (), allowed, setting.unit), value, policy_names)
            settings.pop(name, None)
            levels.pop(name, None)
            if len(values) > 1:
                levels[name] = values
            else:
                settings[name] = int(values[0])
        elif "." in name:
            policy_settings[name] = parse_integer(value, f"--set {name}", -(1 << 62), 1 << 62)
        else:
            known = [*levels, *settings]
            raise SpecError(
                f"--set {name}: {experiment.name} has no such factor or setting{suggest(name, known)}"
            )
    swept = tuple(s for s in (*experiment.settings, SEED) if s.name in levels)
    count = _sample_count(experiment, quick, samples)
    plan = Plan(experiment, quick, levels, settings, policy_settings, count, swept)
    _check_policy_settings(plan)
    _check_windows(plan)
    _check_paths(experiment)
    return plan


def _check_windows(plan: Plan) -> None:
    """SpecError if nothing of a run would be measured."""
    known: dict[str, int | tuple[Level, ...]] = {**plan.settings, **plan.levels}
    ends = [_numbers(known[name]) for name in (DURATION, WARM_UP) if name in known]
    if len(ends) == 2 and min(ends[0]) <= max(ends[1]):
        raise SpecError(
            f"{plan.experiment.name}: {DURATION}={min(ends[0])} is over when {WARM_UP}={max(ends[1])} is; "
            f"write for example --set {DURATION}={2 * max(ends[1])}, or a shorter --set {WARM_UP}=..."
        )


def _numbers(value: int | tuple[Level, ...]) -> list[int]:
    return [value] if isinstance(value, int) else [int(level) for level in value]


def _check_paths(experiment: Experiment) -> None:
    """SpecError for a figure of a metric, or a comparison with one, that the experiment does not declare."""
    names = {metric.name for metric in experiment.metrics} | {c.name for c in experiment.comparisons}
    names |= {c.name for c in experiment.median_comparisons}
    shown = [(f"figure {spec.name}", path) for spec in experiment.figures for path in shown_paths(spec)]
    for what, path in (*shown, *((f"comparison {c.name}", c.metric) for c in experiment.comparisons)):
        name = path.partition(".")[0]
        if name not in names:
            raise SpecError(f"{experiment.name}: {what}: no metric is named '{name}'{suggest(name, names)}")


def _sample_count(experiment: Experiment, quick: bool, given: int | None) -> int:
    count = given if given is not None else 1 if quick else experiment.samples
    if not 1 <= count <= MOST_SAMPLES:
        raise SpecError(f"--samples {count} is outside 1 to {MOST_SAMPLES}")
    return count


def leave_out(plan: Plan, backend: str, cannot: Callable[[str, Machine], str | None]) -> Plan:
    """The plan without the points that their back end can never carry out: `cannot(name, machine)` says why, None if it can.

    SpecError if nothing is left.
    """
    reasons = {
        point.label: why
        for point in plan.combinations
        if (why := _why_not(plan, point, backend, cannot)) is not None
    }
    if len(reasons) == len(plan.combinations):
        raise SpecError(
            f"{plan.experiment.name}: --backend {backend} can run none of these points: {next(iter(reasons.values()))}"
        )
    return replace(plan, left_out=reasons)


def _why_not(
    plan: Plan, point: Point, backend: str, cannot: Callable[[str, Machine], str | None]
) -> str | None:
    excluded = plan.experiment.excludes(point)
    return excluded or cannot(str(point.levels.get(BACKEND, backend)), plan.experiment.machine_of(point))


def _example(experiment: Experiment) -> str:
    factor = experiment.factors[0]
    return f"{factor.name}={factor.full[0]}"


def _levels(factor: Factor, text: str, policy_names: PolicyNames) -> tuple[Level, ...]:
    if isinstance(factor.allowed, Policies) and text == "all":
        return tuple(policy_names(factor.allowed.kind))
    values = tuple(
        _level(factor.name, factor.allowed, part, policy_names)
        for piece in text.split(",")
        for part in _spread(factor, piece)
    )
    if len(set(values)) < len(values):
        raise SpecError(f"--set {factor.name}: {text} names a level twice")
    return values


def _spread(factor: Factor, text: str) -> Sequence[str]:
    """The numbers of a range FIRST..LAST or FIRST..LAST:STEP, or the text itself."""
    found = RANGE.fullmatch(text)
    if found is None or not isinstance(factor.allowed, Whole):
        return (text,)
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if last < first or step < 1 or (last - first) // step >= MOST_LEVELS:
        raise SpecError(
            f"--set {factor.name}: {text} is not a range FIRST..LAST:STEP of at most {MOST_LEVELS} numbers"
        )
    return [str(number) for number in range(first, last + 1, step)]


def _level(name: str, allowed: Allowed, text: str, policy_names: PolicyNames) -> Level:
    if isinstance(allowed, Whole):
        return parse_integer(text, f"--set {name}", allowed.least, allowed.most)
    names = allowed.names if isinstance(allowed, Choice) else policy_names(allowed.kind)
    if isinstance(allowed, Policies) and (":" in text or is_file_name(text)):
        return _policy_level(f"--set {name}", allowed.kind, text)
    if text not in names:
        raise SpecError(f"--set {name}: unknown level '{text}'{suggest(text, names)}")
    return text


def _policy_level(what: str, kind: str, text: str) -> str:
    """A policy's file, or a policy with parameters NAME:p=v+q=w, each as a whole number in the parameter's unit."""
    try:
        policy = parse_policy(kind, text.replace(PARAMETER_MARK, ","))
    except SpecError as error:
        raise SpecError(f"{what}: {error}") from None
    values = PARAMETER_MARK.join(f"{key}={value}" for key, value in policy.parameters.items())
    return f"{policy.name}:{values}" if values else policy.name


def _check_policy_settings(plan: Plan) -> None:
    """A parameter of a policy that no point uses would be silently without effect, so it is refused."""
    used = {
        str(v).partition(":")[0]
        for f in plan.experiment.factors
        if isinstance(f.allowed, Policies)
        for v in plan.levels[f.name]
    }
    for name in plan.policy_settings:
        policy = name.rpartition(".")[0]
        if policy not in used:
            raise SpecError(
                f"--set {name}: no point of this experiment uses a policy '{policy}'{suggest(policy, used)}"
            )


def check_policies(plan: Plan, check: Callable[[str, Policy], object] = choose) -> None:
    """Every policy of the plan exists and takes the parameters given. SpecError, before any machine runs."""
    first = plan.points[0]
    for factor in plan.experiment.factors:
        if isinstance(factor.allowed, Policies):
            for level in plan.levels[factor.name]:
                check(factor.allowed.kind, replace(first, levels={factor.name: level}).policy(factor.name))
