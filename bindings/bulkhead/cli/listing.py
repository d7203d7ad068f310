"""`bulkhead list`: what there is to choose from, read from the plug-ins, the experiments and the workloads themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from bulkhead.backend.sim.models import own_models
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.cli.list_policies import bold, list_policies
from bulkhead.experiment.find import find_sound
from bulkhead.model.spec import MODEL_PREFIX
from bulkhead.model.workloads import REQUIRED, Option, workloads

ATTACK = "attack: "  # how the help of a model begins that is one


def _experiments() -> None:
    found, broken = find_sound()
    for line in broken:
        print(f"bulkhead: {line}", file=sys.stderr)
    for experiment in found:
        print(f"{bold(experiment.name)}: {experiment.title}")
        print(f"     {experiment.question}")
        for factor in experiment.factors:
            levels = ", ".join(map(str, factor.full))
            print(f"     {factor.name}: {factor.help} ({levels})")


def _options(options: Sequence[Option]) -> None:
    for option in options:
        value = "..." if option.initial == REQUIRED else option.initial
        unit = "" if option.unit in ("1", "text") else f" {option.unit}"
        print(f"     {option.name}={value}{unit}: {option.help}")


def _workloads(sort: str) -> None:
    for workload in workloads().values():
        if workload.sort == sort:
            print(f"{bold(workload.name)} ({workload.sort}): {workload.summary}")
            _options(workload.options)


def _models(attacks: bool) -> None:
    for name, (help_text, options) in own_models().items():
        if help_text.startswith(ATTACK) == attacks:
            print(f"{bold(MODEL_PREFIX + name)} (simulator only): {help_text}")
            _options(options)


def _victims() -> None:
    _workloads("victim")
    _models(attacks=False)


def _attacks() -> None:
    _workloads("attack")
    _models(attacks=True)


LISTS: dict[str, Callable[[], object]] = {
    "policies": list_policies,
    "experiments": _experiments,
    "workloads": _victims,
    "attacks": _attacks,
}


def list_things(what: str = "all") -> int:
    """List what Bulkhead has: policies with their parameters, experiments, workloads, attacks."""
    if what != "all" and what not in LISTS:
        raise SpecError(f"list: unknown list '{what}'{suggest(what, LISTS)}")
    for name, print_list in LISTS.items():
        if what == "all":
            print(f"\n{bold(name)}")
        if what in ("all", name):
            print_list()
    return 0
