"""Where the hypervisor's instructions go, function by function: QEMU's log of every instruction, read as it is written.

A section is what happens from an entry into the hypervisor until it goes back to a guest. The guest that measures primitives
makes a certain call before and after each row, so the sections between these two are the row's.
"""

from __future__ import annotations

import bisect
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead.base.errors import BulkheadError

HYPERVISOR = range(0xFFFF_8000_0000_0000, 0xFFFF_8800_0000_0000)
PREFIX = b"Trace 0:"  # of a line: processor 0 executes; the address follows the first slash
FENCE = "perform_hypercall<GetDebugreg>"  # the call that the guest makes before and after each row
POLICY = "(policy)"


def run_tool(*words: str) -> str:
    """What a program of binutils prints. BulkheadError if it is missing or fails."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BulkheadError(f"perf: {words[0]} does not run: {error}") from None


class Symbols:
    """Functions of an ELF file by address."""

    def __init__(self, elf: Path) -> None:
        found = []
        for line in run_tool("nm", "-C", str(elf)).splitlines():
            address, kind, name = line.split(" ", 2)
            if kind in "tTwW":
                found.append((int(address, 16), name))
        if not found:
            raise BulkheadError(f"perf: {elf} has no symbols")
        found.sort()
        self._addresses = [address for address, _ in found]
        self._names = [shortened(name) for _, name in found]
        self._end = max(self._addresses) + 0x10000

    def name(self, address: int) -> str:
        """The function at an address of the hypervisor; code that is not its own is a policy's."""
        if address >= self._end:
            return POLICY
        return self._names[bisect.bisect_right(self._addresses, address) - 1]


def shortened(name: str) -> str:
    """A function's name without its parameters, its return type, and what the compiler adds."""
    for noise in ("(anonymous namespace)::", "bulkhead::hv::", "bulkhead::"):
        name = name.replace(noise, "")
    name = name.split(" [clone", 1)[0]
    depth, cut = 0, len(name)
    for at, letter in enumerate(name):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            cut = at
            break
    words, depth, start = name[:cut], 0, 0
    for at, letter in enumerate(words):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == " " and depth == 0:
            start = at + 1
    return words[start:]


@dataclass
class Sections:
    """All that happened between two fences."""

    entries: int = 0
    functions: Counter[str] = field(default_factory=Counter)

    @property
    def instructions(self) -> int:
        """All of the hypervisor's instructions in it."""
        return self.functions.total()


def read(lines: Iterable[bytes], symbols: Symbols) -> list[Sections]:
    """The sections of processor 0 before, between and after the fences, whose own sections belong to none."""
    known: dict[bytes, str | None] = {}
    rows, row = [], Sections()
    section: Counter[str] = Counter()
    for line in lines:
        if not line.startswith(PREFIX):
            continue
        address = line.split(b"/", 2)[1]
        if address not in known:
            number = int(address, 16)
            known[address] = symbols.name(number) if number in HYPERVISOR else None
        name = known[address]
        if name is not None:
            section[name] += 1
        elif section:
            if FENCE in section:
                rows.append(row)
                row = Sections()
            else:
                row.entries += 1
                row.functions += section
            section = Counter()
    rows.append(row)
    return rows
