"""`bulkhead compare` and `bulkhead report`: two results of one experiment against each other, and a folder as a page."""

from __future__ import annotations

from pathlib import Path
from typing import List

import typer

from bulkhead.base.paths import output_folder
from bulkhead.experiment.draw import drawn_paths
from bulkhead.report import write_report
from bulkhead.result import read_result
from bulkhead.result.compare import comparable_bits, differences, numbers
from bulkhead.result.gate import Bound, changes, check_bounds


def compare(
    first: Path = typer.Argument(..., help="Result file of an experiment, before a change."),
    second: Path = typer.Argument(..., help="The same experiment's, after it."),
    fail_if: List[str] = typer.Option(
        [], "--fail-if", metavar="METRIC>BOUND", help="Exit status 1 if the metric grew (<: shrank) by more."
    ),
) -> int:
    """How the numbers of an experiment's figures changed, point by point; sample by sample if there are samples.

    Exit status 1 if a --fail-if bound is passed at any point, or if two exact results of the same build differ.
    """
    bounds = [Bound.of(text) for text in fail_if]
    one, other = read_result(first), read_result(second)
    check_bounds(bounds, one)
    shown = drawn_paths(one) or [path for path, _ in numbers(one.points[0].metrics)]
    failed = []
    for change in changes(one, other, list(dict.fromkeys([*shown, *(bound.path for bound in bounds)]))):
        print(change.text())
        failed += [
            f"{bound.text()}: {change.text()}"
            for bound in bounds
            if bound.path == change.path and bound.passed(change)
        ]
    if comparable_bits(one, other):
        failed += [f"not the same bits: {difference}" for difference in differences(one, other)]
    for line in failed:
        print(f"FAILED {line}")
    return 1 if failed else 0


def report(
    folder: Path = typer.Argument(..., help="Folder with result files and figures, as `run --out` makes it.")
) -> int:
    """One self-contained HTML page with the figures, captions and tables of a folder."""
    print(f"wrote {write_report(output_folder(folder, 'report'))}")
    return 0
