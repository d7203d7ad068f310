"""`bulkhead run` and `bulkhead demo`: an experiment from its name to its figures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.base.errors import Interrupted
from bulkhead.base.paths import RESULTS, output_folder
from bulkhead.cli.table import table_lines
from bulkhead.experiment.find import find
from bulkhead.experiment.runner import RunRequest, run_experiment

MOST_LINES, SHOWN_LINES = 100, 20  # of a result's table
DEMO = "noisy_neighbour"


def _shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _carry_out(request: RunRequest, again: str) -> int:
    """`again` is the command that goes on after an interrupt."""
    output_folder(request.out)
    try:
        outcome = run_experiment(request)
    except Interrupted as interrupted:
        raise Interrupted(f"{interrupted}; to go on: {again}") from None
    table = table_lines(outcome.result)
    if len(table) > MOST_LINES:
        path = request.out / f"{request.name}-table.txt"
        path.write_text("\n".join(table) + "\n", encoding="utf-8")
        table = [*table[:SHOWN_LINES], f"... {len(table) - SHOWN_LINES} more lines: {path}"]
    for line in (*table, *outcome.lines):
        print(line)
    return 1 if outcome.identical is False else 0


def run(
    experiment: str = typer.Argument(
        ..., help="Name of an experiment (see `list experiments`), or path of its file."
    ),
    backend: str = typer.Option("qemu", help="qemu or sim."),
    quick: bool = typer.Option(False, "--quick", help="Fewer and shorter runs."),
    set_: List[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", help="Replace a factor's levels or a setting."
    ),
    samples: Optional[int] = typer.Option(
        None, help="Samples of each point, at other starts and phases; default: as many as declared."
    ),
    repeat: int = typer.Option(1, help="Run every point so often and compare the traces."),
    jobs: int = typer.Option(2, help="Machines at a time."),
    resume: bool = typer.Option(False, "--resume", help="Keep the finished points of an interrupted run."),
    out: Optional[Path] = typer.Option(
        None, help="Folder for raw data, result and figures; default out/EXPERIMENT."
    ),
) -> int:
    """Run an experiment: its points, the result as JSON, the figures. Exit status 1 if repetitions differ."""
    name = find(experiment).name if experiment.endswith(".py") else experiment
    folder = Path(_shown(out or RESULTS / name))
    return _carry_out(
        RunRequest(
            name,
            quick,
            tuple(set_),
            repeat,
            jobs,
            backend,
            folder,
            resume=resume,
            samples=samples,
        ),
        shlex.join(["./bulkhead", *sys.argv[1:], *([] if resume else ["--resume"])]),
    )


def demo(
    sched: Optional[str] = typer.Option(
        None, metavar="NAME,...", help="These schedulers instead of the experiment's own."
    )
) -> int:
    """Run the main experiment quickly, under its schedulers or others, and draw its figure."""
    sets = () if sched is None else (f"sched={sched}",)
    folder = Path(_shown(RESULTS / "demo"))
    words = ["./bulkhead", "run", DEMO, "--quick", *(f"--set={text}" for text in sets)]
    return _carry_out(
        RunRequest(DEMO, quick=True, sets=sets, out=folder),
        shlex.join([*words, f"--out={folder}", "--resume"]),
    )
