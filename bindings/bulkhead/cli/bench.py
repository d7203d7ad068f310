"""`bulkhead bench`: Linux on the bare machine against Linux as a guest, and how fast the parts of Bulkhead are here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Optional

import typer

from bulkhead.backend.qemu import process
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.text import parse_size, suggest
from bulkhead.cli.bench_linux import QUESTIONS, Row, compare
from bulkhead.cli.bench_primitives import NAME as PRIMITIVES
from bulkhead.cli.bench_primitives import bench_primitives
from bulkhead.cli.bench_rings import NAME as RINGS
from bulkhead.cli.bench_rings import bench_rings
from bulkhead.cli.bench_simulator import bench_simulator
from bulkhead.cli.bench_suites import SUITES, print_rows, rows
from bulkhead.cli.parse import parse_length
from bulkhead.model.clock import instruction_ns
from bulkhead.result import write_json

SIMULATOR = "simulator"
MINIMUM_SECONDS = 0.02  # of each benchmark
KNOWN = (*QUESTIONS, PRIMITIVES, RINGS, *SUITES)
AGAINST = "xen"


def _table(rows: tuple[Row, ...]) -> str:
    lines = ["| | unit | native | Bulkhead | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    for row in rows:
        digits = 3 if row.unit == "s" else 0
        lines.append(
            f"| {row.name} | {row.unit} | {row.native:,.{digits}f} | {row.guest:,.{digits}f} | {row.ratio:.3f} |"
        )
    return "\n".join(lines)


def _bench_suite(what: str, out: Path | None) -> None:
    found = rows(SUITES[what], MINIMUM_SECONDS)
    print_rows(SUITES[what], found)
    if out is not None:
        write_json(out, {"benchmarks": found})


def bench(
    what: str = typer.Argument(
        ...,
        metavar="|".join(KNOWN),
        help="boot: time to the first program; operations; primitives: hypercalls and traps; rings: block requests and packets; "
        "policies: a wake, a pick, a frame, a request; simulator: its speed, and SimPy's; trace: reading traces.",
    ),
    mem: str = typer.Option("512M", help="Memory of the guest, and of the bare machine."),
    ns_per_instruction: str = typer.Option("auto", help="Length of an instruction in ns: 1, 2, 4, ... 1024."),
    against: Optional[str] = typer.Option(
        None,
        metavar=AGAINST,
        help="primitives: the same image on Xen too, whose file BULKHEAD_XEN names.",
    ),
    ringctl: Optional[str] = typer.Option(
        None, metavar="NAME", help="rings: the ring policy; without it, the built-in one."
    ),
    out: Optional[Path] = typer.Option(None, help="Also write the numbers to this JSON file."),
) -> int:
    """Compare Linux as a guest with Linux on the bare machine: same QEMU, clock, memory, kernel and image.

    `bench policies`, `simulator` and `trace` time the host's own code on this computer instead.
    """
    if against not in (None, AGAINST) or (against is not None and what != PRIMITIVES):
        raise SpecError(f"--against {against}: only '{PRIMITIVES} --against {AGAINST}' is known")
    if what == PRIMITIVES:
        bench_primitives(against is not None, out)
        return 0
    if what == RINGS:
        bench_rings(ringctl, out)
        return 0
    if what == SIMULATOR:
        bench_simulator(out)
        return 0
    if what in SUITES:
        _bench_suite(what, out)
        return 0
    if what not in QUESTIONS:
        raise SpecError(f"bench: unknown comparison '{what}'{suggest(what, KNOWN)}")
    asked = parse_length(ns_per_instruction)
    if asked is None:
        raise SpecError(
            "--ns-per-instruction off: a comparison needs an exact clock; write for example --ns-per-instruction 4"
        )
    length = instruction_ns(asked, pcpus=1, parallel=True)
    found = compare(QUESTIONS[what], parse_size(mem, "--mem"), length)
    print(_table(found.rows))
    if out is not None:
        record = {
            "comparison": what,
            "mem": mem,
            "ns_per_instruction": length,
            "qemu": process.version(),
            "versions": asdict(found.run.versions),
            "trace_sha256": found.run.trace_sha256,
            "rows": [{**asdict(row), "ratio": row.ratio} for row in found.rows],
        }
        try:
            out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise BulkheadError(f"--out {out}: {error.strerror}") from None
    return 0
