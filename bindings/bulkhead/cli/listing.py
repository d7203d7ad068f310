"""`bulkhead list`: what there is to choose from, read from the plug-ins, the experiments and the workloads themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer
from rich.console import Console

from bulkhead.backend.sim.models import own_models
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.experiment.find import find_sound
from bulkhead.model.spec import MODEL_PREFIX
from bulkhead.model.workloads import REQUIRED, Option, workloads
from bulkhead.policy.tables import KIND_OPTION, KIND_TEXT, PolicyTable, built_policies

ATTACK = "attack: "  # how the help of a model begins that is one
console = Console(soft_wrap=True, highlight=False)


def _parameters(policy: PolicyTable) -> None:
    own = f"of a guest: {KIND_OPTION[policy.kind]}."
    for prefix, table in (("", policy.parameters), (own, policy.domain_parameters)):
        for row in table:
            unit = "" if row.unit == "1" else f" {row.unit}"
            console.print(
                f"     {prefix}{row.name}={row.initial}{unit} ({row.least} to {row.most}): {row.help}",
                markup=False,
            )


def _policies() -> None:
    for kind, text in KIND_TEXT.items():
        for policy in built_policies(kind).values():
            console.print(f"[bold]{policy.name}[/bold] ({text}): {policy.summary}")
            console.print(f"     good at: {policy.good_at}")
            console.print(f"     bad at:  {policy.bad_at}")
            console.print(f"     source:  {policy.source}")
            _parameters(policy)


def _experiments() -> None:
    found, broken = find_sound()
    for line in broken:
        print(f"bulkhead: {line}", file=sys.stderr)
    for experiment in found:
        console.print(f"[bold]{experiment.name}[/bold]: {experiment.title}")
        console.print(f"     {experiment.question}")
        for factor in experiment.factors:
            levels = ", ".join(map(str, factor.full))
            console.print(f"     {factor.name}: {factor.help} ({levels})")


def _options(options: Sequence[Option]) -> None:
    for option in options:
        value = "..." if option.initial == REQUIRED else option.initial
        unit = "" if option.unit in ("1", "text") else f" {option.unit}"
        console.print(f"     {option.name}={value}{unit}: {option.help}", markup=False)


def _workloads(sort: str) -> None:
    for workload in workloads().values():
        if workload.sort == sort:
            console.print(f"[bold]{workload.name}[/bold] ({workload.sort}): {workload.summary}")
            _options(workload.options)


def _models(attacks: bool) -> None:
    for name, (help_text, options) in own_models().items():
        if help_text.startswith(ATTACK) == attacks:
            console.print(f"[bold]{MODEL_PREFIX}{name}[/bold] (simulator only): {help_text}")
            _options(options)


def _victims() -> None:
    _workloads("victim")
    _models(attacks=False)


def _attacks() -> None:
    _workloads("attack")
    _models(attacks=True)


LISTS: dict[str, Callable[[], None]] = {
    "policies": _policies,
    "experiments": _experiments,
    "workloads": _victims,
    "attacks": _attacks,
}


def list_things(what: str = typer.Argument("all", metavar="[policies|experiments|workloads|attacks]")) -> int:
    """List what Bulkhead has: policies with their parameters, experiments, workloads, attacks."""
    if what != "all" and what not in LISTS:
        raise SpecError(f"list: unknown list '{what}'{suggest(what, LISTS)}")
    for name, print_list in LISTS.items():
        if what == "all":
            console.print(f"\n[bold underline]{name}[/bold underline]")
        if what in ("all", name):
            print_list()
    return 0
