"""Runs the points of a plan in the simulator, on all processors: each worker also works out its runs' numbers.

A worker writes a run's folder and its numbers before it reports; whatever ends the sweep, finished points stay.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

from bulkhead.backend.sim import simulate
from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import from_plain, to_plain
from bulkhead.experiment.archive import Captured, is_finished, load_run, save_run
from bulkhead.experiment.capture import Batch, Wanted
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.find import find, folder_of
from bulkhead.experiment.identity import identity_with_numbers
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.progress import Progress
from bulkhead.experiment.shift import machine_of
from bulkhead.result import PointResult, write_json

NUMBERS = "numbers.json"
AT_A_TIME = 4  # runs that a worker takes before it reports


@dataclass(frozen=True)
class _Task:
    experiment: str
    folder: Path  # where experiments are declared
    resume: bool
    runs: tuple[tuple[Wanted, Path], ...]


@functools.cache
def _experiment(name: str, folder: Path) -> Experiment:
    return find(name, folder)


def _one(experiment: Experiment, wanted: Wanted, path: Path, resume: bool) -> Captured:
    point = wanted.point
    machine = machine_of(experiment, point, wanted.sample)
    mark = identity_with_numbers(machine, "sim")
    if resume and (path / NUMBERS).is_file() and is_finished(path, mark):
        captured = replace(load_run(path, experiment, trace=False), point=point)
        numbers = from_plain(PointResult, json.loads((path / NUMBERS).read_text(encoding="utf-8")), NUMBERS)
        return captured.without_trace(numbers, path)
    captured = Captured(point, wanted.repeat, simulate(machine), "sim", sample=wanted.sample)
    numbers = normalise(experiment, captured)
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / NUMBERS, to_plain(numbers))
    save_run(path, experiment, captured, mark)
    return captured.without_trace(numbers, path)


def _work(task: _Task) -> list[Captured]:
    experiment = _experiment(task.experiment, task.folder)
    return [_one(experiment, *run, task.resume) for run in task.runs]


def _start_workers_parent() -> None:
    """Start the process that workers are forks of. They inherit that interrupts are held, which the command alone sees."""
    resource_tracker.ensure_running()  # first, since its start releases what is held
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become_worker() -> None:
    """A worker ends with its parent. It obeys SIGTERM, by which a broken pool ends its workers."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _tasks(batch: Batch, folder: Path) -> list[_Task]:
    runs = [(wanted, wanted.path(batch.folder)) for wanted in batch.runs()]
    return [
        _Task(batch.experiment.name, folder, batch.resume, tuple(runs[i : i + AT_A_TIME]))
        for i in range(0, len(runs), AT_A_TIME)
    ]


def sweep(batch: Batch, progress: Progress, folder: Path | None = None) -> list[Captured]:
    """Simulate a batch in `batch.jobs` processes; runs in the order of the batch, their traces left on disk.

    The experiment must be one that is declared in `folder`; None: where `find` found it. The first failure stops the
    sweep and is raised.
    """
    tasks = _tasks(batch, folder or folder_of(batch.experiment.name))
    for path in {run[1].parent for task in tasks for run in task.runs}:
        path.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    _start_workers_parent()
    with ProcessPoolExecutor(batch.jobs, context, _become_worker) as pool:
        try:
            return _gather(batch, [pool.submit(_work, task) for task in tasks], progress)
        except BrokenProcessPool:
            raise BulkheadError(
                "a worker of the sweep was killed (is there memory enough?); run the same again with --resume"
            ) from None
        except BaseException:
            pool.shutdown(
                cancel_futures=True
            )  # one by one they would be errors to a pool that breaks meanwhile
            raise


def _gather(batch: Batch, futures: Sequence[Future[list[Captured]]], progress: Progress) -> list[Captured]:
    for future in as_completed(futures):
        for captured in future.result():
            label = batch.label(Wanted(captured.point, captured.sample, captured.repeat))
            progress.started(label)
            progress.finished(label, captured.run.host_seconds)
    return [captured for future in futures for captured in future.result()]
