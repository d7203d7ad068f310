"""Which shared libraries a Linux program needs, read from its ELF file. Reads files of packages, never runs them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

DYNAMIC_SEGMENT, LOAD, INTERPRETER = 2, 1, 3
NEEDED, STRING_TABLE = 1, 5
SEGMENT = struct.Struct("<IIQQQQQQ")


def is_elf(data: bytes) -> bool:
    """Whether it is a 64-bit little-endian ELF file."""
    return data[:6] == b"\x7fELF\x02\x01"


def _segments(data: bytes) -> list[tuple[int, ...]]:
    offset = struct.unpack_from("<Q", data, 32)[0]
    count = struct.unpack_from("<H", data, 56)[0]
    return [SEGMENT.unpack_from(data, offset + i * SEGMENT.size) for i in range(count)]


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def _place(segments: list[tuple[int, ...]], address: int) -> int:
    """Where in the file an address is."""
    for kind, _, offset, start, _, size, _, _ in segments:
        if kind == LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError(f"address {address:#x} is in no segment")


def _entries(data: bytes, segments: list[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    for kind, _, offset, _, _, size, _, _ in segments:
        if kind == DYNAMIC_SEGMENT:
            for tag, value in struct.iter_unpack("<qQ", data[offset : offset + size]):
                yield tag, value


def needed(data: bytes) -> list[str]:
    """Names of the libraries and of the program interpreter's file that an ELF file asks for; none for a static one."""
    segments = _segments(data)
    names = [_text(data, s[2]).rpartition("/")[2] for s in segments if s[0] == INTERPRETER]
    entries = list(_entries(data, segments))
    table = next((value for tag, value in entries if tag == STRING_TABLE), None)
    if table is not None:
        strings = _place(segments, table)
        names += [_text(data, strings + value) for tag, value in entries if tag == NEEDED]
    return names
