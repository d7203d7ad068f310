"""`bulkhead bench primitives`: the instructions that each service of the hypervisor costs a guest, and costs it on Xen."""

from __future__ import annotations

import math
from pathlib import Path

from bootstrap.build import build

from bulkhead.backend.qemu import process
from bulkhead.backend.qemu.xen import OnXen, run_on_xen
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import primitives_image, xen_image
from bulkhead.base.units import MIB, SECOND
from bulkhead.linux.report import results
from bulkhead.model.machine import Machine
from bulkhead.model.spec import NARROW, WIDE, Guest
from bulkhead.result import write_json

NAME = "primitives"
TARGETS = ["bulkhead_hv", "bulkhead_core", "dom0_image", "policies", "primitives_image"]
SWITCHES = "part=switches"


def _rows(console: str, where: str) -> dict[str, int]:
    """Ticks by row; with a clock of 1 ns an instruction they are instructions."""
    found = {row["row"]: int(row["ticks"]) for row in results(console, NAME)}
    if not found or "panic" in console:
        raise BulkheadError(f"bench: {NAME} on {where} did not end well: {console.splitlines()[-2:]}")
    return found


def _on_bulkhead(guests: int, cmdline: str, memory: int, abi: str) -> dict[str, int]:
    machine = Machine(
        guests=tuple(
            Guest(f"{NAME}{i}", str(primitives_image(abi)), cmdline, memory=memory) for i in range(guests)
        ),
        duration=2 * SECOND,
        ns_per_instruction=1,
        trace_groups=("lifecycle",),
        console_rate=0,
    )
    run = machine.run()
    return _rows(run.consoles.get(f"{NAME}0", ""), "Bulkhead")


def ours(abi: str = WIDE) -> dict[str, int]:
    """Instructions of each primitive on Bulkhead with the usual scheduler; the last row needs two guests.

    A 32-bit kernel (pv32) lacks the rows of what it does not have, such as SYSCALL.
    """
    return _on_bulkhead(1, "", 64 * MIB, abi) | _on_bulkhead(2, SWITCHES, 16 * MIB, abi)


def on_xen(xen: Path) -> dict[str, int]:
    """The same on Xen, of the rows that a single domain can measure."""
    console = run_on_xen(OnXen(primitives_image(), xen, ns_per_instruction=1, host_timeout=300))
    return _rows(console, "Xen")


def mean_ratio(here: dict[str, int], there: dict[str, int]) -> float:
    """Geometric mean of here / there over the rows that both have."""
    ratios = [here[row] / there[row] for row in here if there.get(row)]
    return math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios))


def _print_rows(here: dict[str, int], narrow: dict[str, int], there: dict[str, int] | None) -> None:
    def cell(rows: dict[str, int], row: str) -> str:
        return f"{rows[row]:,}" if row in rows else ""

    if there is None:
        print("| primitive | 64 bits | 32 bits |\n| --- | ---: | ---: |")
        for row in here:
            print(f"| {row} | {cell(here, row)} | {cell(narrow, row)} |")
        return
    print("| primitive | Xen | Bulkhead | ratio | 32 bits |\n| --- | ---: | ---: | ---: | ---: |")
    for row, cost in here.items():
        ratio = f"{cost / there[row]:.2f}" if row in there else ""
        print(f"| {row} | {cell(there, row)} | {cost:,} | {ratio} | {cell(narrow, row)} |")
    print(f"\ngeometric mean of the ratios: {mean_ratio(here, there):.3f}")


def bench_primitives(against_xen: bool, out: Path | None) -> None:
    """Measure, print the table, write the numbers to `out`."""
    build("release", TARGETS)
    here, narrow = ours(), ours(NARROW)
    there = on_xen(xen_image()) if against_xen else None
    _print_rows(here, narrow, there)
    if out is not None:
        record: dict[str, object] = {
            "qemu": process.version(),
            "unit": "instructions",
            "bulkhead": here,
            "pv32": narrow,
        }
        if there is not None:
            record |= {"xen": there, "geometric_mean": mean_ratio(here, there)}
        write_json(out, record)
