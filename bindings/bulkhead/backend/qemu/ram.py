"""The machine's RAM as a file without a name: QEMU maps it, Python reads it, and nothing is left when both are gone."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from bulkhead.base.errors import BulkheadError

GIB = 1 << 30
# QEMU's pc machine: RAM that reaches here is split, and 3 GiB stay below the hole.
LOW_END_LIMIT = 0xE000_0000
LOW_RAM_WHEN_SPLIT = 3 * GIB
HIGH_START = 4 * GIB


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class Ram:
    """RAM of `size` bytes, in memory if it fits, else in `folder`. A context manager; `fd` is what QEMU inherits."""

    def __init__(self, size: int, folder: Path | None = None) -> None:
        self.size = size
        if _available_memory() > size + size // 8:
            self.fd = os.memfd_create("bulkhead-ram")
        else:
            place = folder or Path(tempfile.gettempdir())
            if shutil.disk_usage(place).free < size:
                raise BulkheadError(f"neither memory nor {place} has room for {size >> 20} MiB of RAM")
            self.fd = os.open(place, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size, prot=mmap.PROT_READ | mmap.PROT_WRITE)

    @property
    def path(self) -> str:
        """How the process that inherits `fd` opens the file."""
        return f"/proc/self/fd/{self.fd}"

    def read(self, physical: int, count: int) -> bytes:
        """Bytes at a physical address. ValueError if they are not RAM (a damaged pointer)."""
        offset = self._offset(physical, count)
        return self._map[offset : offset + count]

    def write(self, physical: int, data: bytes) -> None:
        """Put bytes at a physical address, which must be of those that the machine leaves to the world outside."""
        offset = self._offset(physical, len(data))
        self._map[offset : offset + len(data)] = data

    def _offset(self, physical: int, count: int) -> int:
        offset = physical
        if self.size >= LOW_END_LIMIT and physical >= HIGH_START:
            offset = physical - HIGH_START + LOW_RAM_WHEN_SPLIT
        elif self.size >= LOW_END_LIMIT and physical + count > LOW_RAM_WHEN_SPLIT:
            raise ValueError(f"physical address {physical:#x} is not RAM")
        if physical < 0 or count < 0 or offset + count > self.size:
            raise ValueError(f"physical address {physical:#x} is not RAM")
        return offset

    def copy_to(self, path: Path) -> None:
        """Keep the RAM's contents, holes as holes."""
        with open(path, "wb") as out:
            for start in range(0, self.size, 1 << 20):
                block = self._map[start : start + (1 << 20)]
                if block.count(0) == len(block):
                    out.seek(len(block), os.SEEK_CUR)
                else:
                    out.write(block)
            out.truncate(self.size)

    def __enter__(self) -> Ram:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()
        os.close(self.fd)
