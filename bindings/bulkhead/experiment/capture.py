"""Runs the points of a plan, several at a time. The only stage that needs a machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bulkhead.experiment.archive import Captured, save_run
from bulkhead.experiment.declare import Experiment, Point
from bulkhead.experiment.progress import Progress
from bulkhead.machine import RunOptions
from bulkhead.run import Run
from bulkhead.spec import Machine

Backend = Callable[[Machine, RunOptions], Run]


def run_path(folder: Path, point: Point, repeat: int) -> Path:
    """Where a run is kept."""
    return folder / f"{point.label}.r{repeat}"


def capture(
    experiment: Experiment,
    points: Sequence[Point],
    repeats: int,
    jobs: int,
    folder: Path,
    backend: tuple[str, Backend],
    progress: Progress,
) -> list[Captured]:
    """Run every point `repeats` times and keep each run in `folder`; points in order, repetitions together.

    The first failure stops the batch: what has not begun never begins, what runs is waited for, then the error is raised.
    """
    name, execute = backend

    def one(point: Point, repeat: int) -> Captured:
        label = point.label + (f" #{repeat}" if repeats > 1 else "")
        progress.started(label)
        options = RunOptions(progress=lambda done: progress.fraction(label, done))
        captured = Captured(point, repeat, execute(experiment.machine(point), options), name)
        save_run(run_path(folder, point, repeat), experiment, captured)
        progress.finished(label, captured.run.host_seconds)
        return captured

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(one, point, repeat) for point in points for repeat in range(repeats)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            _cancel(futures)
            raise


def _cancel(futures: Sequence[Future[Captured]]) -> None:
    for future in futures:
        future.cancel()
