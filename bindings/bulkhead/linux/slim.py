"""Leaves out of a kernel's ELF file what no loader reads: it travels inside the machine's memory. Changes no loaded byte."""

from __future__ import annotations

import struct

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOAD, NOTE = 1, 4
ALIGNMENT = 16


def _segments(data: bytes, offset: int, size: int, count: int) -> list[list[int]]:
    if size != SEGMENT.size or offset + count * size > len(data):
        raise ValueError("the kernel is cut short: its headers point behind the end of the file")
    return [list(SEGMENT.unpack_from(data, offset + i * size)) for i in range(count)]


def _contents(data: bytes, segment: list[int]) -> bytes:
    start, length = segment[2], segment[5]
    if start + length > len(data):
        raise ValueError("the kernel is cut short: a segment ends behind the end of the file")
    contents = data[start : start + length]
    return contents.rstrip(b"\0") if segment[0] == LOAD else contents


def slim(data: bytes) -> bytes:
    """A 64-bit ELF executable with its loadable segments and notes alone; zeros at a segment's end are left to the loader.

    A file without a note segment is returned as it is: its Xen notes are in a section. ValueError if it is cut short.
    """
    if len(data) < HEADER.size or data[4:6] != b"\x02\x01":
        return data
    fields = list(HEADER.unpack_from(data))
    kept = [s for s in _segments(data, fields[5], fields[9], fields[10]) if s[0] in (LOAD, NOTE)]
    if not any(segment[0] == NOTE for segment in kept):
        return data
    body, start = bytearray(), HEADER.size + len(kept) * SEGMENT.size
    for segment in kept:
        contents = _contents(data, segment)
        body += bytes(-(start + len(body)) % ALIGNMENT)
        segment[2], segment[5], segment[7] = start + len(body), len(contents), 0
        body += contents
    fields[5], fields[6], fields[10], fields[12], fields[13] = HEADER.size, 0, len(kept), 0, 0
    return HEADER.pack(*fields) + b"".join(SEGMENT.pack(*segment) for segment in kept) + bytes(body)
