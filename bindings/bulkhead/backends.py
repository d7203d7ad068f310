"""What can carry a machine out, by name."""

from __future__ import annotations

from collections.abc import Callable

from bulkhead.machine import RunOptions, run_machine
from bulkhead.run import Run
from bulkhead.sim import simulate
from bulkhead.spec import Machine, SpecError
from bulkhead.text import suggest

BACKENDS: dict[str, Callable[[Machine, RunOptions | None], Run]] = {"qemu": run_machine, "sim": simulate}


def find_backend(name: str) -> Callable[[Machine, RunOptions | None], Run]:
    """The back end of that name: "qemu" or "sim". SpecError for any other."""
    if name not in BACKENDS:
        raise SpecError(f"backend: there is no '{name}'{suggest(name, BACKENDS)}")
    return BACKENDS[name]
