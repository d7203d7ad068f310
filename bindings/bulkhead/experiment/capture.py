"""Runs the points of a plan, several at a time. The only stage that needs a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulkhead.experiment.archive import Captured, is_finished, load_run, save_run
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.identity import identity
from bulkhead.experiment.point import BACKEND, Point
from bulkhead.experiment.progress import Progress
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run

CarryOut = Callable[[Machine, RunOptions], Run]


def run_path(folder: Path, point: Point, repeat: int) -> Path:
    """Where a run is kept."""
    return folder / f"{point.label}.r{repeat}"


@dataclass(frozen=True)
class Batch:
    """The runs to capture: every point `repeats` times, each run in a folder of its own below `folder`.

    With `resume`, a run of the same identity that is there already is taken as it is.
    """

    experiment: Experiment
    points: Sequence[Point]
    repeats: int
    jobs: int
    folder: Path
    resume: bool = False

    def label(self, point: Point, repeat: int) -> str:
        """For people."""
        return point.label + (f" #{repeat}" if self.repeats > 1 else "")

    def runs(self) -> list[tuple[Point, int]]:
        """Points in order, repetitions together."""
        return [(point, repeat) for point in self.points for repeat in range(self.repeats)]


def capture(
    batch: Batch, backends: Mapping[str, CarryOut], default: str, progress: Progress
) -> list[Captured]:
    """Run a batch in threads, for back ends that work in processes of their own.

    A point with a level `backend` names its back end; the others are for `default`. The first failure stops the batch:
    waiting runs are cancelled, started runs are waited for, then the error is raised.
    """

    def one(point: Point, repeat: int) -> Captured:
        label, path = batch.label(point, repeat), run_path(batch.folder, point, repeat)
        name, machine = str(point.levels.get(BACKEND, default)), batch.experiment.machine(point)
        mark = identity(machine, name) if batch.resume else ""
        progress.started(label)
        if batch.resume and is_finished(path, mark):
            captured = load_run(path, batch.experiment)
            progress.finished(label, 0.0)
            return captured
        options = RunOptions(progress=lambda done: progress.fraction(label, done))
        captured = Captured(point, repeat, backends[name](machine, options), name)
        save_run(path, batch.experiment, captured, mark or identity(machine, name))
        progress.finished(label, captured.run.host_seconds)
        return captured

    with ThreadPoolExecutor(max_workers=batch.jobs) as pool:
        futures = [pool.submit(one, point, repeat) for point, repeat in batch.runs()]
        try:
            return [future.result() for future in futures]
        except BaseException:
            cancel(futures)
            raise


def cancel(futures: Sequence[Future[Any]]) -> None:
    """Cancel the runs that have not begun."""
    for future in futures:
        future.cancel()
