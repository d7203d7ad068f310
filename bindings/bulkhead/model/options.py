"""How a run is carried out: the files kept and the listeners told. No option may change the trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bulkhead.base.terminal import Terminal
from bulkhead.model.sample import Sample


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; nothing here may change its trace."""

    out: Path | None = None  # keep consoles, trace and summary there; None: keep nothing on disk
    keep_ram: bool = False
    console: Callable[[str, str], None] | None = None  # called with (name, line) as lines appear
    progress: Callable[[float], None] | None = None  # called with the fraction of the run's duration, 0..1
    watch: Callable[[Sample], None] | None = None  # called with what the machine looks like at the moment
    watch_every: float = 0.5  # so many seconds of this computer pass between two samples
    terminal: Terminal | None = None  # where the machine's own `terminal` guest is typed to and shown
    instructions: Path | None = None  # QEMU writes a line there for every instruction, which makes it 100 times slower
    host_timeout: float | None = None  # seconds; None: a generous bound from the duration
