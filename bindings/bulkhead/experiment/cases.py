"""Cases: the quick points of all experiments as one experiment's levels, to be run on any back end with any number of pCPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import to_plain
from bulkhead.experiment.declare import SEED, Experiment, Policies
from bulkhead.experiment.find import find_sound, names
from bulkhead.experiment.observe import Observed
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.point import Point
from bulkhead.figures.spec import Course
from bulkhead.metrics import Window
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.policy.tables import KIND_OPTION
from bulkhead.result.agreement import numbers_of

SCHED, PCPUS, CASE = "sched", "pcpus", "case"  # factors of the experiment that is made of cases
READY = "ready"  # the mark that a guest leaves when it begins


@dataclass(frozen=True)
class Case:
    """A quick point of an experiment, without its policy of a kind and its pCPUs."""

    name: str
    experiment: Experiment
    point: Point
    kind: str = "scheduler"  # of the policy that is varied beside the cases

    @property
    def varies_policy(self) -> bool:
        """Whether the experiment varies the policy of that kind."""
        return self.experiment.factor(KIND_OPTION[self.kind]) is not None

    def inner(self, outer: Point) -> Point:
        """The experiment's own point that an outer one stands for."""
        varied = (name for name in (KIND_OPTION[self.kind], PCPUS) if name in outer.levels)
        given = {name: outer.levels[name] for name in varied if self.experiment.factor(name) is not None}
        settings = {**self.point.settings, SEED.name: outer.number(SEED.name)}
        return replace(self.point, levels={**self.point.levels, **given}, settings=settings)

    def machine(self, outer: Point) -> Machine:
        """The machine of the outer point."""
        machine = self.experiment.machine(self.inner(outer))
        if PCPUS not in outer.levels or self.experiment.factor(PCPUS) is not None:
            return machine
        return replace(machine, pcpus=outer.number(PCPUS))


def derive(
    own: str, also: Mapping[str, Mapping[str, Sequence[str]]], kind: str = "scheduler"
) -> dict[str, Case]:
    """Cases by name, from every experiment that both back ends can carry out but those that are made of cases as `own` is.

    For schedulers, experiments of ring or memory policies are left out, whether they vary the policy or not. For another kind
    of policy those experiments are taken that vary it. A case is one combination of quick levels; `also` has further levels
    by experiment and factor.
    """
    found = {}
    for experiment in find_sound(except_for=made_of_cases(own))[0]:
        if experiment.simulator_only or experiment.hypervisor_only or not _is_about(experiment, kind):
            continue
        plan = make_plan(experiment, quick=True)
        more = also.get(experiment.name, {})
        levels = {
            name: (*values, *more.get(name, ()))
            for name, values in plan.levels.items()
            if name not in (KIND_OPTION[kind], PCPUS)
        }
        for point in replace(plan, levels=levels).combinations:
            name = " ".join([experiment.name, *(str(level) for level in point.levels.values())])
            found[name] = Case(name, experiment, point, kind)
    return found


def made_of_cases(own: str) -> tuple[str, ...]:
    """Names of the experiments that are made of the others: those that begin alike."""
    return tuple(name for name in names() if name.partition("_")[0] == own.partition("_")[0])


def _is_about(experiment: Experiment, kind: str) -> bool:
    """Whether the experiment is one of policies of the kind; a scheduler's also if it varies no policy."""
    kinds = {factor.allowed.kind for factor in experiment.factors if isinstance(factor.allowed, Policies)}
    if kind != "scheduler":
        return experiment.factor(KIND_OPTION[kind]) is not None
    return (
        not kinds - {kind} and experiment.machine(make_plan(experiment, quick=True).points[0]).memctl is None
    )


class SeenCase(Observed):
    """A run of a case, seen as the case's experiment sees it. A run whose guests did not all begin in time has no numbers."""

    def __init__(self, run: Run, case: Case, point: Point, label: str) -> None:
        super().__init__(run, point, label=label)
        self._case = case
        self._late = False

    def _require_begun(self, guest: str, code: str, window: Window) -> None:
        try:
            super()._require_begun(guest, code, window)
        except BulkheadError:
            if code != READY:
                raise
            self._late = True

    @cached_property
    def numbers(self) -> dict[str, dict[str, float | None]]:
        """The numbers of all metrics of the case's experiment, by kind and name."""
        found: dict[str, dict[str, float | None]] = defaultdict(dict)
        over_time = {spec.path for spec in self._case.experiment.figures if isinstance(spec, Course)}
        _ = self.window
        for metric in self._case.experiment.metrics:
            if self._late or metric.name in over_time or not metric.when(self.point):
                continue
            try:
                value = to_plain(metric.compute(self))
            except BulkheadError:  # a guest that never came to it
                continue
            for kind, name, number in numbers_of(metric.name, metric.unit, value):
                found[kind][name] = number
        return found
