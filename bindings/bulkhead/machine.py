"""Runs a `Machine` under QEMU and collects the `Run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bulkhead.run import Run
from bulkhead.spec import Machine


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; nothing here may change its trace."""

    out: Path | None = None  # keep consoles, trace and summary there; None: keep nothing on disk
    keep_ram: bool = False
    console: Callable[[str, str], None] | None = None  # called with (name, line) as lines appear
    progress: Callable[[float], None] | None = None  # called with the fraction of the run's duration, 0..1
    host_timeout: float | None = None  # seconds; None: a generous bound from the duration


def run_machine(machine: Machine, options: RunOptions | None = None) -> Run:
    """Boot, wait for the end, collect. Raises `BulkheadError` for bad input; leaves no process behind."""
    raise NotImplementedError
