"""`bulkhead list`: what there is to choose from, read from the plug-ins, the experiments and the workloads themselves."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from bulkhead.policies import KIND_TEXT, Policy, built_policies
from bulkhead.spec import SpecError
from bulkhead.text import suggest
from bulkhead.workloads import workloads

console = Console(soft_wrap=True, highlight=False)


def _parameters(policy: Policy) -> None:
    table = Table("parameter", "default", "least", "most", "unit", "meaning", box=None, padding=(0, 1, 0, 5))
    for row in policy.parameters:
        unit = "" if row.unit == "1" else row.unit
        table.add_row(row.name, str(row.initial), str(row.least), str(row.most), unit, row.help)
    if policy.parameters:
        console.print(table)


def _policies() -> None:
    for kind, text in KIND_TEXT.items():
        for policy in built_policies(kind).values():
            console.print(f"[bold]{policy.name}[/bold] ({text}): {policy.summary}")
            console.print(f"     good at: {policy.good_at}")
            console.print(f"     bad at:  {policy.bad_at}")
            console.print(f"     source:  {policy.source}")
            _parameters(policy)


def _experiments() -> None:
    from bulkhead.experiment import experiments

    for experiment in experiments().values():
        console.print(f"[bold]{experiment.name}[/bold]: {experiment.summary}")


def _workloads(sort: str) -> None:
    for workload in workloads().values():
        if workload.sort == sort:
            console.print(f"[bold]{workload.name}[/bold] ({workload.sort}): {workload.summary}")


LISTS = {
    "policies": _policies,
    "experiments": _experiments,
    "workloads": lambda: _workloads("victim"),
    "attacks": lambda: _workloads("attack"),
}


def list_things(what: str = typer.Argument("all", metavar="[policies|experiments|workloads|attacks]")) -> int:
    """What there is: policies with their parameters, experiments, workloads, attacks."""
    if what != "all" and what not in LISTS:
        raise SpecError(f"list: there is no list of '{what}'{suggest(what, LISTS)}")
    for name, print_list in LISTS.items():
        if what == "all":
            console.print(f"\n[bold underline]{name}[/bold underline]")
        if what in ("all", name):
            print_list()
    return 0
