"""Reads the files that captures of packets write."""

from __future__ import annotations

import struct
from pathlib import Path

from bulkhead import SECOND
from bulkhead.backend.qemu.manifest import WALL_CLOCK


def packets(file: Path) -> list[tuple[int, bytes]]:
    """Time [ns since the machine's start] and bytes of each packet of a file. Checks the file's form."""
    data = file.read_bytes()
    assert struct.unpack_from("<IHHiIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 0x40000, 1)
    at, found = 24, []
    while at < len(data):
        seconds, ns, kept, whole = struct.unpack_from("<IIII", data, at)
        assert kept == whole and ns < SECOND
        found.append((seconds * SECOND + ns - WALL_CLOCK, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(data)
    return found
