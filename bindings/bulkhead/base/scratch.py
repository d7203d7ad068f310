"""Files without names that a QEMU inherits: manifest, console, log. The kernel frees them with their last user."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType


class Scratch:
    """A context manager for any number of such files."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def file(self, name: str, contents: bytes = b"") -> Path:
        """A new file; the path is good in this process and in one that inherits `fds`."""
        fd = os.memfd_create(f"bulkhead-{name}")
        self.fds.append(fd)
        path = Path(f"/proc/self/fd/{fd}")
        path.write_bytes(contents)
        return path

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self.fds:
            os.close(fd)
