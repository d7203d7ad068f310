"""`bulkhead bench`: Debian's Linux on the bare machine against the same Linux as a guest, in one table."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Optional

import typer

from bulkhead import qemu
from bulkhead.cli.bench_simulator import bench_simulator
from bulkhead.linux.compare import QUESTIONS, Row, compare
from bulkhead.parse import parse_icount
from bulkhead.spec import BulkheadError, SpecError
from bulkhead.text import parse_size, suggest

SIMULATOR = "simulator"


def _table(rows: tuple[Row, ...]) -> str:
    lines = ["| | unit | native | Bulkhead | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    for row in rows:
        digits = 3 if row.unit == "s" else 0
        lines.append(
            f"| {row.name} | {row.unit} | {row.native:,.{digits}f} | {row.guest:,.{digits}f} | {row.ratio:.3f} |"
        )
    return "\n".join(lines)


def bench(
    what: str = typer.Argument(
        ...,
        metavar="|".join((*QUESTIONS, SIMULATOR)),
        help="boot: time to the first program; operations; simulator: its speed, and SimPy's.",
    ),
    mem: str = typer.Option("512M", help="Memory of the guest, and of the bare machine."),
    icount: str = typer.Option("2", help="2**SHIFT ns per instruction."),
    out: Optional[Path] = typer.Option(None, help="Also write the numbers to this JSON file."),
) -> int:
    """Compare Linux as a guest with Linux on the bare machine: same QEMU, clock, memory, kernel and image.

    `bench simulator` measures the simulator on this computer instead.
    """
    if what == SIMULATOR:
        bench_simulator(out)
        return 0
    if what not in QUESTIONS:
        raise SpecError(f"bench: there is no comparison '{what}'{suggest(what, (*QUESTIONS, SIMULATOR))}")
    shift = parse_icount(icount)
    if shift is None:
        raise SpecError("--icount off: a comparison needs an exact clock; write for example --icount 2")
    found = compare(QUESTIONS[what], parse_size(mem, "--mem"), shift)
    print(_table(found.rows))
    if out is not None:
        record = {
            "comparison": what,
            "mem": mem,
            "icount": shift,
            "qemu": qemu.version(),
            "versions": asdict(found.run.versions),
            "trace_sha256": found.run.trace_sha256,
            "rows": [{**asdict(row), "ratio": row.ratio} for row in found.rows],
        }
        try:
            out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise BulkheadError(f"--out {out}: {error.strerror}") from None
    return 0
