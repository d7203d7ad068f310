"""The versions that a run is made with: commit, QEMU, compiler, trace schema."""

from __future__ import annotations

import functools
import subprocess

from bulkhead import _core
from bulkhead.backend.qemu import process
from bulkhead.base.paths import ROOT
from bulkhead.base.schema import constant
from bulkhead.model.landmark import Versions

NO_QEMU = "none"  # a run that no QEMU took part in
MADE_OF = ("sched", "memctl", "ringctl", "experiments", "hv", "sim")  # a new file there may be part of a run


@functools.cache
def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _dirty() -> bool:
    """Whether what is here differs from the commit: a file that git knows, or a new one among those that runs are made of."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    new = _git("status", "--porcelain", "--untracked-files=all", "--", *MADE_OF)
    return bool(changed or new)


def _commit() -> str:
    """That of the checkout, or the one that an installed tree was made of."""
    stated = ROOT / "COMMIT"
    known = stated.read_text(encoding="ascii").strip() if stated.is_file() else _git("rev-parse", "HEAD")
    return known or "unknown"


@functools.cache
def versions(qemu_version: str | None = None) -> Versions:
    """Looked up once per process. `qemu_version` is said in place of that of the QEMU installed here."""
    return Versions(
        commit=_commit(),
        dirty=_dirty(),
        qemu=qemu_version or process.version(),
        compiler=f"g++ {_core.compiler}",
        trace_schema=constant("trace.schema_version"),
    )
