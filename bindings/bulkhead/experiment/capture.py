"""Runs the points of a plan, several at a time. The only stage that needs a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from bulkhead.experiment.archive import Captured, is_finished, load_run, save_run
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.identity import identity, of_today
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.point import BACKEND, Point
from bulkhead.experiment.progress import Progress
from bulkhead.experiment.shift import machine_of
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run

SAMPLE, REPEAT = ".s", ".r"  # before their numbers in the name of a run's folder
CarryOut = Callable[[Machine, RunOptions], Run]


@dataclass(frozen=True)
class Wanted:
    """One run of a batch."""

    point: Point
    sample: int = 0
    repeat: int = 0

    def path(self, folder: Path) -> Path:
        """Where the run is kept."""
        return folder / f"{self.point.label}{SAMPLE}{self.sample}{REPEAT}{self.repeat}"


@dataclass(frozen=True)
class Batch:
    """The runs to capture: samples `first` to `samples` - 1 of every point, each `repeats` times and in a folder below `folder`.

    With `resume`, a run of the same identity that is there already is taken as it is.
    """

    experiment: Experiment
    points: Sequence[Point]
    repeats: int
    jobs: int
    folder: Path
    resume: bool = False
    samples: int = 1
    first: int = 0

    def label(self, wanted: Wanted) -> str:
        """For people."""
        sample = f" sample {wanted.sample}" if self.samples > 1 else ""
        return wanted.point.label + sample + (f" #{wanted.repeat}" if self.repeats > 1 else "")

    def runs(self) -> list[Wanted]:
        """Points in order, their samples together, each sample's repetitions together."""
        return [
            Wanted(point, sample, repeat)
            for point in self.points
            for sample in range(self.first, self.samples)
            for repeat in range(self.repeats)
        ]


def _of_today(captured: Captured, experiment: Experiment, path: Path, mark: str) -> Captured:
    """A finished run, which the folder states to be of today's commit from now on."""
    run = of_today(captured.run)
    if run.versions == captured.run.versions:
        return captured
    captured = replace(captured, run=run)
    save_run(path, experiment, captured, mark)
    return captured


def capture(
    batch: Batch, backends: Mapping[str, CarryOut], default: str, progress: Progress
) -> list[Captured]:
    """Run a batch in threads, for back ends that work in processes of their own.

    A point with a level `backend` names its back end; the others are for `default`. The first failure stops the batch:
    waiting runs are cancelled, started runs are waited for, then the error is raised. Traces are left on disk.
    """

    stopped = Event()

    def one(wanted: Wanted) -> Captured:
        if stopped.is_set():
            raise CancelledError
        point, label, path = wanted.point, batch.label(wanted), wanted.path(batch.folder)
        name = str(point.levels.get(BACKEND, default))
        machine = machine_of(batch.experiment, point, wanted.sample)
        mark = identity(machine, name) if batch.resume else ""
        progress.started(label)
        if batch.resume and is_finished(path, mark):
            captured = _of_today(load_run(path, batch.experiment), batch.experiment, path, mark)
            progress.finished(label, 0.0)
            return captured.without_trace(normalise(batch.experiment, captured), path)
        options = RunOptions(progress=lambda done: progress.fraction(label, done))
        run = backends[name](machine, options)
        captured = Captured(point, wanted.repeat, run, name, sample=wanted.sample)
        save_run(path, batch.experiment, captured, mark or identity(machine, name))
        progress.finished(label, captured.run.host_seconds)
        return captured.without_trace(normalise(batch.experiment, captured), path)

    with ThreadPoolExecutor(max_workers=batch.jobs) as pool:
        try:
            futures = [pool.submit(one, wanted) for wanted in batch.runs()]
            return [future.result() for future in futures]
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
