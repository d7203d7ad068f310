"""`bulkhead run` and `bulkhead demo`: an experiment from its name to its figures."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.base.paths import ROOT
from bulkhead.cli.table import table_lines
from bulkhead.experiment.runner import RunRequest, run_experiment

DEMO = "noisy_neighbour"
OUT = ROOT / "out"


def _shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _carry_out(request: RunRequest) -> int:
    outcome = run_experiment(request)
    for line in (*table_lines(outcome.result), *outcome.lines):
        print(line)
    return 1 if outcome.identical is False else 0


def run(
    experiment: str = typer.Argument(..., help="Name of an experiment; see `list experiments`."),
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
    folder = Path(_shown(out or OUT / experiment))
    return _carry_out(
        RunRequest(
            experiment,
            quick,
            tuple(set_),
            repeat,
            jobs,
            backend,
            folder,
            resume=resume,
            samples=samples,
        )
    )


def demo(
    sched: Optional[str] = typer.Option(
        None, metavar="NAME,...", help="These schedulers instead of the experiment's own."
    )
) -> int:
    """Run the main experiment quickly, under its schedulers or others, and draw its figure."""
    sets = () if sched is None else (f"sched={sched}",)
    return _carry_out(RunRequest(DEMO, quick=True, sets=sets, out=Path(_shown(OUT / "demo"))))
