"""`bulkhead new`: the first version of something, made from the example of its kind, and what to do with it next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import typer

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import INSTALLED, ROOT
from bulkhead.base.text import suggest
from bulkhead.experiment.scaffold import new_experiment, new_workload
from bulkhead.policy.scaffold import EXAMPLES, scaffold

NEXT = """\
wrote {path}
next:
  ./bulkhead test policy                          its file, its description, and random machines
  ./bulkhead demo --sched {name}{pad}                the main experiment
  ./bulkhead boot --guest kernel=workload:compute --sched {name}
how to go on: docs/writing-a-policy.md"""

NEXT_COMPARED = """\
wrote {path}
next:
  ./bulkhead test policy                          its file, its description, and random guests
  ./bulkhead run {experiment} --quick --set {kind}={name}
how to go on: docs/writing-a-policy.md"""

NEXT_EXPERIMENT = """\
wrote {path}
next:
  ./bulkhead run {run} --quick                    on the hypervisor
  ./bulkhead run {run} --quick --backend sim      in the simulator
how to go on: docs/experiments.md"""

NEXT_WORKLOAD = """\
wrote {path}
next:
  ./bulkhead boot --guest kernel=workload:{name} --for 1s
how to go on: docs/workloads.md; the simulator needs a model of it beside those in sim/models"""

KINDS = (*EXAMPLES, "experiment", "workload")

# What else a kind may be called, as in `list policies`.
ALIASES = {"sched": "scheduler", "memory": "memctl", "ring": "ringctl"}
# An experiment that compares policies of a kind, where that is not the main one.
COMPARED = {"memctl": "memory_hoard", "ringctl": "io_isolation"}

OUTSIDE = """\
wrote {path}
next:
  ./bulkhead build --in {folder}
  ./bulkhead boot --guest kernel=workload:compute {use} {folder}/build/{name}.so
how to go on: docs/writing-a-policy.md"""


OUTSIDE_INSTALLED = """\
wrote {path}
next:
  bulkhead-plugin {folder}
  bulkhead boot --guest kernel=workload:compute {use} {folder}/build/{name}.so
how to go on: docs/writing-a-policy.md"""


OUTSIDE_WORKLOAD = """\
wrote {paths}
next:
  {build}
  {command} boot --guest kernel=workload:{folder}/build/{name}.elf --for 1s
  {command} boot --guest kernel=workload:{folder}/build/{name}.elf --for 1s --backend sim
how to go on: docs/workloads.md"""


def _next_workload(name: str, paths: list[Path], folder: Path | None) -> str:
    if folder is None:
        return NEXT_WORKLOAD.format(path=_shown(paths[0]), name=name)
    return OUTSIDE_WORKLOAD.format(
        paths=" and ".join(map(str, paths)),
        build=f"bulkhead-plugin {folder}" if INSTALLED else f"./bulkhead build --in {folder}",
        command="bulkhead" if INSTALLED else "./bulkhead",
        folder=folder,
        name=name,
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def new(
    kind: str = typer.Argument(..., metavar="scheduler|memctl|ringctl|experiment|workload"),
    name: str = typer.Argument(..., metavar="NAME"),
    folder: Optional[Path] = typer.Option(None, "--in", help="a folder outside the checkout"),
) -> int:
    """Make the first version of a policy, an experiment or a workload: complete, and yours to change."""
    kind = ALIASES.get(kind, kind)
    if kind not in KINDS:
        raise SpecError(f"new: unknown kind '{kind}'{suggest(kind, KINDS)}")
    if folder is None and not os.access(ROOT, os.W_OK):
        raise SpecError(f"new: this user cannot write {ROOT}; choose a folder of your own with --in DIR")
    if kind == "experiment":
        path = new_experiment(name, folder)
        print(NEXT_EXPERIMENT.format(path=_shown(path), run=name if folder is None else path))
        return 0
    if kind == "workload":
        print(_next_workload(name, new_workload(name, folder), folder))
        return 0
    path = scaffold(kind, name, folder)
    pad = " " * max(0, 12 - len(name))
    experiment = COMPARED.get(kind, "")
    outside = OUTSIDE_INSTALLED if INSTALLED else OUTSIDE
    text = outside if folder is not None else NEXT_COMPARED if experiment else NEXT
    use = f"--{kind}" if experiment else "--sched"
    print(
        text.format(
            path=_shown(path), name=name, pad=pad, folder=folder, kind=kind, experiment=experiment, use=use
        )
    )
    return 0
