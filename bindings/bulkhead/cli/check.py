"""`bulkhead check`: one scheduler against what every scheduler promises; and `bulkhead artifact`: claims and their commands."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import typer

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import ROOT
from bulkhead.experiment.draw import declared
from bulkhead.experiment.find import find
from bulkhead.policy.choose import choose, parse_policy
from bulkhead.report.answer import answer, command
from bulkhead.result import read_result
from bulkhead.testing.check import check as check_policy
from bulkhead.testing.check import writes

REFERENCES = ROOT / "results"
BYTES_PER_RECORD = 6  # of a packed trace, roughly


def check(
    policy: str = typer.Argument(
        ..., metavar="NAME|PATH.so[:p=v,...]", help="A built scheduler, or its file."
    ),
    machines: int = typer.Option(20, help="Random machines to simulate."),
    boots: int = typer.Option(2, help="Random machines to boot under the strict guard; 0 for none."),
) -> int:
    """Hold a scheduler to its promises on random machines. Exit status 1 if one is broken."""
    if machines < 1 or boots < 0:
        raise SpecError(f"check: --machines {machines} is not at least 1, or --boots {boots} is less than 0")
    spec = parse_policy("scheduler", policy)
    broken = 0
    print(f"{'':6} {'the scheduler ...':45} tried on")
    booted = (writes(spec, boots) for _ in range(min(boots, 1)))
    for verdict in itertools.chain(check_policy(spec, choose("scheduler", spec).policy, machines), booted):
        broken += not verdict.holds
        print(f"{'holds' if verdict.holds else 'BROKEN':6} {verdict.promise:45} {verdict.detail}", flush=True)
    return 1 if broken else 0


def artifact(
    folder: Path = typer.Argument(
        REFERENCES, help="Folder with result files; default: the reference results."
    ),
) -> int:
    """For each result: its claim, the command that makes it again, disk, figures, and the hash that it must have."""
    results = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not results:
        raise BulkheadError(f"artifact: {folder} holds no result; run an experiment with --out {folder}")
    print("# Claims\n")
    for path in results:
        print("\n".join(_claim(path)))
    return 0


def _claim(path: Path) -> list[str]:
    result = read_result(path)
    specs = declared(result)
    figures = [f"`{file.name}`" for spec in specs for file in sorted(path.parent.glob(f"{spec.name}.p*"))]
    traces = hashlib.sha256("".join(point.trace_sha256 for point in result.points).encode()).hexdigest()
    runs = len(result.points) * result.samples * result.repeats
    records = sum(point.trace_records for point in result.points) * result.samples * result.repeats
    seconds = sum(point.window_end_ns for point in result.points) * result.samples * result.repeats / 1e9
    return [
        f"## {result.title}\n",
        f"{result.question} {answer(specs[0], result) if specs else ''}\n",
        "| | |",
        "| --- | --- |",
        f"| command | `{command(result, find(result.experiment))}` |",
        f"| compare | `./bulkhead compare {path.name} out/{result.experiment}/{result.experiment}.json` |",
        f"| runs | {runs}, {seconds:,.0f} s of the machine's time, {result.provenance} |",
        f"| disk | about {max(1, records * BYTES_PER_RECORD >> 20)} MiB of traces |",
        f"| figures | {', '.join(figures) or 'none'} |",
        f"| made with | commit `{result.versions.commit}`, QEMU {result.versions.qemu}, {result.versions.compiler} |",
        f"| SHA-256 of all trace hashes | `{traces}` |",
        "",
    ]
