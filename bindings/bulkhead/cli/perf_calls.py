"""`bulkhead perf calls`: which functions of the hypervisor each primitive's instructions are in."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bootstrap.build import build

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import hypervisor_elf, primitives_image
from bulkhead.base.text import suggest
from bulkhead.base.units import MIB, SECOND
from bulkhead.cli.bench_primitives import NAME, TARGETS
from bulkhead.linux.report import results
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.spec import Guest
from bulkhead.perf.instructions import Sections, Symbols, read

MEASURED = 32  # times that a row's action happens, the first time to warm up
SHOWN = 12  # functions of a row
LONGEST = 1800.0  # seconds of this computer
LEAST = 0.5  # instructions of a function, per action


def _follow(pipe: Path) -> list[Sections]:
    with pipe.open("rb") as lines:
        return read(lines, Symbols(hypervisor_elf()))


def by_row(part: str = "all") -> dict[str, Sections]:
    """What the hypervisor did for each row of a part of the primitives, `MEASURED` times each."""
    memory = 64 * MIB if part == "all" else 16 * MIB
    guest = Guest(NAME, str(primitives_image()), f"part={part}", memory=memory)
    machine = Machine(guests=(guest,), duration=2 * SECOND, ns_per_instruction=1, console_rate=0)
    with TemporaryDirectory(prefix="bulkhead-") as folder:
        pipe = Path(folder) / "instructions"
        os.mkfifo(pipe)
        with ThreadPoolExecutor(1) as reader:
            reading = reader.submit(_follow, pipe)
            try:
                run = machine.run(RunOptions(instructions=pipe, host_timeout=LONGEST))
            finally:  # the reader waits for a writer, if there was none
                os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
            found = reading.result()
    names = [row["row"] for row in results(run.consoles.get(NAME, ""), NAME)]
    # Before the first fence lies the start, and between two rows the printing of the first.
    rows = found[1::2][: len(names)]
    if not names or len(rows) < len(names):
        raise BulkheadError(f"perf: {NAME} did not end well: {run.consoles.get(NAME, '')[-200:]!r}")
    return dict(zip(names, rows, strict=True))


def table(row: str, sections: Sections) -> str:
    """The functions of one row, as Markdown."""
    lines = [f"## {row}", "", f"{sections.instructions / MEASURED:,.0f} instructions of the hypervisor in "]
    lines[-1] += f"{sections.entries / MEASURED:,.1f} entries.\n"
    lines += ["| function | instructions |", "| --- | ---: |"]
    for name, count in sections.functions.most_common(SHOWN):
        if count / MEASURED >= LEAST:
            lines.append(f"| `{name}` | {count / MEASURED:,.0f} |")
    return "\n".join(lines) + "\n"


def perf_calls(row: str | None) -> None:
    """Measure all rows, and print this one, or all."""
    build("release", TARGETS)
    found = by_row()
    if row is not None and row not in found:
        raise SpecError(f"no primitive '{row}'{suggest(row, found)}")
    print("\n".join(table(name, found[name]) for name in ([row] if row else found)))
