"""`bulkhead bench rings`: the hypervisor's instructions for each block request and each network packet.

All that the ledger bills to the guests counts: hypercalls, events, the device's timer, the ring policy's hooks, wake-ups.
The clock counts instructions. Two runs that differ in their number of requests are compared, so that the start of
the guests drops out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bootstrap.build import build

from bulkhead.backend.qemu import process
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import primitives_image
from bulkhead.base.units import MIB, SECOND
from bulkhead.cli.bench_primitives import NAME as PRIMITIVES
from bulkhead.linux.report import results
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Disk, Guest, GuestDisk, GuestNet, Network, Policy
from bulkhead.result import write_json

NAME = "rings"
TARGETS = ["bulkhead_hv", "bulkhead_core", "dom0_image", "policies", "primitives_image"]
NUMBERS = (200, 600)  # of requests or packets in the two runs
WORD = 8  # bytes that one instruction copies
BLOCK = 4096
PACKET = 1500  # bytes with its headers
COPIES = 3  # of a packet: from the sender, to the port's buffer, to the receiver
DEPTHS = (1, 8, 32)
# A drive that is never what a guest waits for, so that the pCPU is always busy.
FAST_DISK = Disk(request_us=1, seek_us=0, bytes_per_us=65536, depth=32)
# A switch and links that are never what a packet waits for.
FAST_NETWORK = Network(packet_us=1, bytes_per_us=65536, link_bytes_per_us=65536, delay_us=1)
LATER = 50 * SECOND // 1000  # when the receiver is ready


@dataclass(frozen=True)
class Row:
    """One kind of I/O."""

    name: str
    billed: float  # instructions of the hypervisor for each of them, billed to the guests
    copied: float  # those of them that copy its bytes
    unbilled: float  # instructions of the hypervisor for each of them that nobody is billed for

    @property
    def cost(self) -> float:
        """Instructions for each, copying apart."""
        return self.billed - self.copied


def _machine(guests: tuple[Guest, ...], ringctl: str | None, fast: bool = False) -> Machine:
    return Machine(
        guests=guests,
        disk=FAST_DISK if fast else Disk(),
        network=FAST_NETWORK if fast else Network(),
        ringctl=None if ringctl is None else Policy(ringctl),
        duration=2 * SECOND,
        ns_per_instruction=1,
        trace_groups=("lifecycle",),
        console_rate=0,
    )


def _guest(name: str, options: str, **changes: Any) -> Guest:
    return Guest(name, str(primitives_image()), options, memory=8 * MIB, **changes)


def block_guests(depth: int, number: int) -> tuple[Guest, ...]:
    """One guest that reads so many blocks of 4 KiB, `depth` of them at a time."""
    options = f"part=block depth={depth} number={number}"
    return (_guest("reader", options, disks=(GuestDisk(4 * MIB),)),)


def packet_guests(number: int, yields: bool = False) -> tuple[Guest, ...]:
    """A guest that sends packets of 1,500 bytes as fast as the switch takes them, and one that takes them."""
    nets = (GuestNet("lan"),)
    return (
        _guest("receiver", f"part=receive number={number}", nets=nets),
        _guest("sender", f"part=send number={number} yield={int(yields)}", nets=nets, start=LATER),
    )


def _runs(guests: Callable[[int], tuple[Guest, ...]], ringctl: str | None, fast: bool) -> tuple[Run, Run]:
    few, many = (_machine(guests(number), ringctl, fast).run() for number in NUMBERS)
    for run, number in zip((few, many), NUMBERS, strict=True):
        for guest in run.machine.guests:
            rows = results(run.consoles.get(guest.name, ""), PRIMITIVES)
            said = [(row["number"], row["failures"]) for row in rows]
            if run.exit_status != 0 or said != [(str(number), "0")]:
                raise BulkheadError(f"bench: {guest.name} did not end well: {run.end}")
    return few, many


def _row(name: str, runs: tuple[Run, Run], copied: float) -> Row:
    def each(of: list[int]) -> float:
        return (of[1] - of[0]) / (NUMBERS[1] - NUMBERS[0])

    names = [guest.name for guest in runs[0].machine.guests]
    billed = [sum(run.landmark.ledger[guest].hypervisor_ns for guest in names) for run in runs]
    unbilled = [sum(pcpu.unbilled_ns for pcpu in run.landmark.pcpus) for run in runs]
    return Row(name, each(billed), copied, each(unbilled))


def block_row(depth: int, ringctl: str | None, fast: bool) -> Row:
    """What a block request of 4 KiB costs."""
    runs = _runs(lambda number: block_guests(depth, number), ringctl, fast)
    return _row(f"block_depth_{depth}{'_fast' if fast else ''}", runs, BLOCK / WORD)


def packet_row(ringctl: str | None, fast: bool) -> Row:
    """What a packet costs, from its sender's ring into its receiver's."""
    name = "packet_fast" if fast else "packet"
    return _row(
        name, _runs(lambda number: packet_guests(number, fast), ringctl, fast), COPIES * PACKET / WORD
    )


def ours(ringctl: str | None) -> dict[str, Row]:
    """All rows, under one ring policy, or the built-in one."""
    found = [block_row(depth, ringctl, fast) for fast in (False, True) for depth in DEPTHS]
    found += [packet_row(ringctl, fast) for fast in (False, True)]
    return {row.name: row for row in found}


def bench_rings(ringctl: str | None, out: Path | None) -> None:
    """Measure, print the table, write the numbers to `out`."""
    build("release", TARGETS)
    rows = ours(ringctl)
    print("| | billed | of it copying | without copying | unbilled |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in rows.values():
        numbers = (row.billed, row.copied, row.cost, row.unbilled)
        print(f"| {row.name} | " + " | ".join(f"{each:,.0f}" for each in numbers) + " |")
    if out is not None:
        record = {"qemu": process.version(), "unit": "instructions", "ringctl": ringctl}
        write_json(out, record | {"rows": [asdict(row) for row in rows.values()]})
