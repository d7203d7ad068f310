"""What can carry a machine out, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from bulkhead.booted import Booted
from bulkhead.live.steer import Steered
from bulkhead.live.watch import Session
from bulkhead.machine import run_machine
from bulkhead.options import RunOptions
from bulkhead.run import Run
from bulkhead.sim import Simulated, simulate
from bulkhead.sim.models import cannot_simulate
from bulkhead.spec import Machine, SpecError
from bulkhead.text import suggest

T = TypeVar("T")

BACKENDS: dict[str, Callable[[Machine, RunOptions | None], Run]] = {"qemu": run_machine, "sim": simulate}
SESSIONS: dict[str, Callable[[Machine, RunOptions], Session]] = {"qemu": Booted, "sim": Simulated}
STEERED: dict[str, Callable[[Machine, RunOptions], Steered]] = {
    "qemu": lambda machine, options: Booted(machine, options, held=True),
    "sim": lambda machine, options: Simulated(machine, options, held=True),
}


LIMITS: dict[str, Callable[[Machine], str | None]] = {"sim": cannot_simulate}


def _find(name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise SpecError(f"backend: there is no '{name}'{suggest(name, known)}")
    return known[name]


def find_backend(name: str) -> Callable[[Machine, RunOptions | None], Run]:
    """The back end of that name: "qemu" or "sim". SpecError for any other."""
    return _find(name, BACKENDS)


def cannot_carry_out(name: str, machine: Machine) -> str | None:
    """Why a back end can never carry a machine out, in a few words; None if it can."""
    limit = LIMITS.get(name)
    return limit(machine) if limit is not None else None


def find_session(name: str) -> Callable[[Machine, RunOptions], Session]:
    """What starts a machine on that back end without waiting for its end. SpecError for any other."""
    return _find(name, SESSIONS)


def find_steered(name: str) -> Callable[[Machine, RunOptions], Steered]:
    """What starts a machine that stands still at its stops until it is told to go on. SpecError for any other."""
    return _find(name, STEERED)
