"""`bulkhead perf`: an experiment on either back end under Linux perf, as a flame graph and the functions that cost most; or
the hypervisor's functions behind each primitive.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import RESULTS, ROOT, output_folder
from bulkhead.cli.perf_calls import perf_calls
from bulkhead.experiment.find import find
from bulkhead.model.machine import REGISTRY
from bulkhead.perf import draw, record

OUT = RESULTS / "perf"
SHOWN = 12  # functions
HIGHEST = 10_000
CALLS = "calls"


def perf(
    backend: str = typer.Argument(
        ...,
        metavar="sim|qemu|calls",
        help="Back end to record: the simulator, or QEMU. calls: the instructions of each hypercall and trap by function.",
    ),
    experiment: Optional[str] = typer.Argument(
        None,
        help="Its runs are recorded, one at a time; default noisy_neighbour. After calls: a row of bench primitives.",
    ),
    quick: bool = typer.Option(True, help="The experiment's quick form."),
    set_: List[str] = typer.Option([], "--set", metavar="NAME=VALUE", help="As of `run`."),
    frequency: int = typer.Option(199, help="Samples per second of CPU time."),
    out: Optional[Path] = typer.Option(None, help="Folder for picture and stacks; default out/perf/BACKEND."),
) -> int:
    """Record where this computer's time goes: DIR/flame.svg, DIR/stacks.txt, a table. It names missing counters."""
    if backend == CALLS:
        perf_calls(experiment)
        return 0
    experiment = experiment or "noisy_neighbour"
    REGISTRY.backend(backend)
    if not 1 <= frequency <= HIGHEST:
        raise SpecError(f"--frequency {frequency} is outside 1 to {HIGHEST}")
    find(experiment)
    folder = out or OUT / backend
    output_folder(folder)
    command = [sys.executable, str(ROOT / "bulkhead"), "run", experiment, "--backend", backend, "--jobs", "1"]
    command += ["--quick"] if quick else []
    command += [word for text in set_ for word in ("--set", text)]
    command += ["--out", str(folder / "run")]
    found = record(command, {**os.environ, "BULKHEAD_NO_BUILD": "1"}, frequency)
    if found.exit_status != 0:
        raise BulkheadError(f"perf: the run failed with status {found.exit_status}")
    title = f"{experiment} on {backend}: {shlex.join(command[2:-2])}"
    (folder / "stacks.txt").write_text(found.stacks.lines(), encoding="utf-8")
    (folder / "flame.svg").write_text(draw(found.stacks, title, found.notes), encoding="utf-8")
    print(f"{found.notes}\n\n| function | of all samples |\n| --- | ---: |")
    for name, part in found.stacks.by_function()[:SHOWN]:
        print(f"| {name} | {part:.1%} |")
    print(f"\nwrote {folder / 'flame.svg'}\nwrote {folder / 'stacks.txt'}")
    return 0
