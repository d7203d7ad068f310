"""The stages of an experiment, each of which can be done again by itself: capture, analyse (normalise and conclude), draw."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead.base.errors import BulkheadError, Interrupted
from bulkhead.experiment.archive import PLACE, Captured, load_run
from bulkhead.experiment.capture import Batch, CarryOut, Wanted, capture
from bulkhead.experiment.conclude import conclude
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.determinism import Difference, differences
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.plan import Plan
from bulkhead.experiment.point import BACKEND
from bulkhead.experiment.progress import Progress
from bulkhead.experiment.settle import more_samples
from bulkhead.experiment.sweep import sweep
from bulkhead.metrics.trace import Schema
from bulkhead.result import Result, write_result

RUNS = "runs"


@dataclass(frozen=True)
class Capturing:
    """How a plan is captured."""

    repeats: int = 1
    jobs: int = 2
    backend: str = "qemu"
    resume: bool = False


@dataclass(frozen=True)
class Analysis:
    """The result of the captured runs, and where repetitions that should be identical were not."""

    result: Result
    path: Path
    differences: tuple[Difference, ...]


def result_path(out: Path, experiment: Experiment) -> Path:
    """Where an experiment's result is written."""
    return out / f"{experiment.name}.json"


def capture_stage(
    plan: Plan,
    out: Path,
    options: Capturing,
    backends: Mapping[str, CarryOut],
    progress: Progress,
) -> list[Captured]:
    """Run everything; without `resume`, older runs of the experiment in `out` are removed first.

    Points whose samples are apart get more of them, if the experiment settles.
    """
    folder = out / RUNS / plan.experiment.name
    if not options.resume:
        shutil.rmtree(folder, ignore_errors=True)
    batch = Batch(
        plan.experiment, plan.points, options.repeats, options.jobs, folder, options.resume, plan.samples
    )
    simulated = options.backend == "sim" and BACKEND not in plan.levels

    def carry_out(some: Batch) -> list[Captured]:
        try:
            return sweep(some, progress) if simulated else capture(some, backends, options.backend, progress)
        except KeyboardInterrupt:
            raise Interrupted(_kept(batch, some if some is not batch else None)) from None

    captures = carry_out(batch)
    further = more_samples(batch, plan, captures)
    if further is None:
        return captures
    progress.more(len(further.runs()))
    return captures + carry_out(further)


def _kept(first: Batch, further: Batch | None) -> str:
    """What an interrupted capture leaves."""
    runs = first.runs() + (further.runs() if further is not None else [])
    finished = sum((wanted.path(first.folder) / PLACE).is_file() for wanted in runs)
    return f"interrupted; {finished} of {len(runs)} runs are finished and kept in {first.folder}"


def load_stage(plan: Plan, out: Path) -> list[Captured]:
    """The runs that an earlier capture left in `out`. BulkheadError if a point of the plan is not there."""
    folder = out / RUNS / plan.experiment.name
    batch = Batch(plan.experiment, plan.points, 1, 1, folder, samples=plan.samples)
    captures = _load(batch)
    further = more_samples(batch, plan, captures)
    return captures if further is None else captures + _load(further)


def _load(batch: Batch) -> list[Captured]:
    """All repetitions of the runs of a batch."""
    captures: list[Captured] = []
    for wanted in batch.runs():
        found = [load_run(path, batch.experiment) for path in _repeats(wanted, batch.folder)]
        if not found or dict(found[0].point.settings) != dict(wanted.point.settings):
            raise BulkheadError(
                f"{wanted.path(batch.folder)} is not there or has other settings; run the capture"
            )
        captures += [_numbered(batch.experiment, captured, batch.folder) for captured in found]
    return captures


def _numbered(experiment: Experiment, captured: Captured, folder: Path) -> Captured:
    """With its numbers worked out and its trace back on disk: a sweep's runs do not fit into memory together."""
    path = Wanted(captured.point, captured.sample, captured.repeat).path(folder)
    return captured.without_trace(normalise(experiment, captured), path)


def _repeats(wanted: Wanted, folder: Path) -> list[Path]:
    """Folders of one sample of one point, by repetition."""
    prefix = wanted.path(folder).name.removesuffix("0")
    paths = [path for path in folder.iterdir() if path.name.startswith(prefix)] if folder.is_dir() else []
    return sorted(paths, key=lambda path: int(path.name.removeprefix(prefix)))


def analyse_stage(plan: Plan, out: Path, captures: Sequence[Captured]) -> Analysis:
    """Work out every number and write the result file."""
    found = _disagreements(captures)
    firsts = [captured for captured in captures if captured.repeat == 0]
    points = [captured.numbers or normalise(plan.experiment, captured) for captured in firsts]
    result = conclude(plan, captures, points, [str(difference) for difference in found])
    path = result_path(out, plan.experiment)
    write_result(path, result)
    return Analysis(result, path, found)


def _disagreements(captures: Sequence[Captured]) -> tuple[Difference, ...]:
    by_label: dict[tuple[str, int], list[Captured]] = {}
    for captured in captures:
        by_label.setdefault((captured.point.label, captured.sample), []).append(captured)
    schema = Schema.built()
    return tuple(d for repeats in by_label.values() for d in differences(repeats, schema.events))
