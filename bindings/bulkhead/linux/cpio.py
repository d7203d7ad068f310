"""Writes an initramfs: a cpio archive in the "newc" form, the same bytes for the same contents on every computer."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass

END = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """The entry at a path: `mode` as in stat(2); `data` is a file's contents or a link's target; `device` major and minor."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(data: bytes, executable: bool = False) -> Entry:
    """A plain file."""
    return Entry(stat.S_IFREG | (0o755 if executable else 0o644), data)


def directory(mode: int = 0o755) -> Entry:
    """A directory."""
    return Entry(stat.S_IFDIR | mode)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def character_device(major: int, minor: int, mode: int = 0o600) -> Entry:
    """A character device."""
    return Entry(stat.S_IFCHR | mode, device=(major, minor))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _record(name: str, entry: Entry, inode: int) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(entry.data)


def _with_parents(tree: Mapping[str, Entry]) -> dict[str, Entry]:
    whole = dict(tree)
    for path in tree:
        for end in (i for i, character in enumerate(path) if character == "/"):
            whole.setdefault(path[:end], directory())
    return whole


def archive(tree: Mapping[str, Entry]) -> bytes:
    """The archive of a tree given as relative paths; directories that are missing are added. All belongs to root, time is 0."""
    whole = _with_parents(tree)
    records = [_record(path, whole[path], inode) for inode, path in enumerate(sorted(whole), start=1)]
    return b"".join(records) + _record(END, Entry(0), 0)
