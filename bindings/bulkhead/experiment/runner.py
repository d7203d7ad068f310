"""Runs an experiment from its name to its figures, for the command line."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bulkhead.base.errors import SpecError
from bulkhead.experiment.draw import draw_figures, drawn_paths
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import check_policies, leave_out, make_plan
from bulkhead.experiment.progress import Bar, Lines, Progress
from bulkhead.experiment.stages import Capturing, analyse_stage, capture_stage, load_stage
from bulkhead.model.machine import REGISTRY
from bulkhead.result import Result, read_result
from bulkhead.result.signs import policy_pairs

MOST_PAIRS = 12  # lines
MOST_NAMED = 3  # points that one reason leaves out
STAGES = ("capture", "analyse", "draw")


@dataclass(frozen=True)
class RunRequest:
    """An experiment to run. `first` is the stage to begin with; results of earlier stages are taken from `out`."""

    name: str
    quick: bool = False
    sets: tuple[str, ...] = ()
    repeat: int = 1
    jobs: int = 2
    backend: str = "qemu"
    out: Path = Path("out")
    first: str = "capture"
    resume: bool = False  # keep the finished runs of an interrupted capture
    samples: int | None = None  # of each point; None: as many as the experiment declares


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request. `identical` is None if nothing was repeated."""

    result: Result
    path: Path
    figures: tuple[Path, ...]
    identical: bool | None
    lines: tuple[str, ...]  # for people


def run_experiment(request: RunRequest, out: TextIO | None = None) -> Outcome:
    """Do it. BulkheadError, in one line, for whatever the user can put right. Progress goes to `out`, else to stderr."""
    _check(request)
    if request.first == "draw":
        return _drawn(request)
    experiment = find(request.name)
    if experiment.simulator_only and request.backend != "sim":
        raise SpecError(
            f"{experiment.name}: {experiment.simulator_only}; run it in the simulator: --backend sim"
        )
    if experiment.hypervisor_only and request.backend == "sim":
        raise SpecError(
            f"{experiment.name}: {experiment.hypervisor_only}; run it on the hypervisor: --backend qemu"
        )
    plan = make_plan(experiment, request.quick, request.sets, samples=request.samples)
    plan = leave_out(plan, request.backend, REGISTRY.cannot_carry_out)
    if request.first == "capture":
        check_policies(plan)
        with ExitStack() as stack:
            count = len(plan.points) * plan.samples * request.repeat
            progress = _progress(request.name, count, out or sys.stderr, stack)
            options = Capturing(request.repeat, request.jobs, request.backend, request.resume)
            backends = {name: backend.run for name, backend in REGISTRY.backends.items()}
            captures = capture_stage(plan, request.out, options, backends, progress)
    else:
        captures = load_stage(plan, request.out)
    analysis = analyse_stage(plan, request.out, captures)
    figures = tuple(draw_figures(analysis.path, request.out))
    identical = None if analysis.result.repeats == 1 else not analysis.differences
    lines = [*_lines(analysis.result, identical), *_written(analysis.path, *figures)]
    return Outcome(analysis.result, analysis.path, figures, identical, tuple(lines))


def _drawn(request: RunRequest) -> Outcome:
    """Only the figures, from a result that is there."""
    path = request.out / f"{request.name}.json"
    figures = tuple(draw_figures(path, request.out))
    return Outcome(read_result(path), path, figures, None, tuple(_written(*figures)))


def _check(request: RunRequest) -> None:
    REGISTRY.backend(request.backend)
    if request.repeat < 1 or request.jobs < 1:
        raise SpecError("--repeat and --jobs must be at least 1")
    if request.first not in STAGES:
        raise SpecError(f"unknown stage '{request.first}'; write one of {', '.join(STAGES)}")


def _progress(title: str, total: int, out: TextIO, stack: ExitStack) -> Progress:
    if out.isatty():
        return stack.enter_context(Bar(title, total))
    return Lines(total, out)


def _lines(result: Result, identical: bool | None) -> list[str]:
    worst = max(result.points, key=lambda point: point.r_max.ns).r_max
    accounts = [
        (row.skew_ns, row.unbilled_share)
        for point in result.points
        for row in (point.samples or (point.ledger,))
    ]
    skew, unbilled = sum(ns for ns, _ in accounts), max(share for _, share in accounts)
    lines = [
        f"ledger: {skew} ns unexplained over {len(accounts)} runs; unbilled at most {unbilled:.2%}",
        f"R_max: {worst.ns / 1000:.1f} us ({worst.kind} {worst.number})",
    ]
    if identical is not None:
        same = "identical trace hashes" if identical else "NOT identical"
        lines.append(f"determinism: {result.repeats} repetitions of {len(accounts)} runs: {same}")
    lines += _pairs(result)
    lines += _left_out(result)
    return lines + [f"warning: {warning}" for warning in result.warnings]


def _left_out(result: Result) -> list[str]:
    """The points that were not run and why: each by itself, or their number where one reason has many."""
    labels: dict[str, list[str]] = {}
    for label, why in result.left_out.items():
        labels.setdefault(why, []).append(label)
    lines = []
    for why, whose in labels.items():
        if len(whose) > MOST_NAMED:
            lines.append(f"left out: {len(whose)} points: {why}")
        else:
            lines += [f"left out: {label}: {why}" for label in whose]
    return lines


def _pairs(result: Result) -> list[str]:
    """The policies compared sample by sample, as many pairs as a reader takes in."""
    found = [pair.text(path) for path in drawn_paths(result) for pair in policy_pairs(result, path)]
    more = len(found) - MOST_PAIRS
    return [*found[:MOST_PAIRS], *([f"{more} more pairs: in the report"] if more > 0 else [])]


def _written(*paths: Path) -> list[str]:
    return [f"wrote {path}" for path in paths]
