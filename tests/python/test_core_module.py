"""The compiled module: its stub says what it has, long calls leave the interpreter to others, and Ctrl-C ends them."""

from __future__ import annotations

import ast
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from bulkhead import _core
from bulkhead.backend.sim import Simulated, simulate
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.spec import Guest, Policy

STUB = Path(__file__).resolve().parents[2] / "bindings" / "bulkhead" / "_core.pyi"
LONG = Machine(  # half a minute of simulation, if nobody ends it
    guests=tuple(Guest(f"t{i}", "workload:timer_storm", memory=4 * MIB) for i in range(4)),
    sched=Policy("round_robin"),
    duration=600_000_000_000,
    trace_groups=(),
    end_when_idle=False,
)


def declared() -> dict[str, set[str]]:
    """What the stub has: names, and the members of classes."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = {
                member.name if isinstance(member, ast.FunctionDef) else member.target.id  # type: ignore[union-attr]
                for member in node.body
                if isinstance(member, (ast.FunctionDef, ast.AnnAssign))
            }
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = set()
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = set()
    return found


def test_the_stub_says_what_the_module_has() -> None:
    stub = declared()
    rows = {name for name in stub if name.endswith("Row")}  # types that only the stub needs
    assert set(stub) - rows == {name for name in dir(_core) if not name.startswith("_")}
    for name, members in stub.items():
        if members and name not in rows:
            thing = getattr(_core, name)
            has = {member for member in vars(thing) if not member.startswith("_")}
            assert {member for member in members if not member.startswith("_")} == has, name


def test_others_run_meanwhile() -> None:
    with Simulated(LONG, RunOptions()) as simulated:
        worker = threading.Thread(target=lambda: simulated._simulation.run(3_000_000))
        worker.start()
        turns = 0
        while worker.is_alive():
            time.sleep(0.001)
            turns += 1
    assert turns > 20, "one call that takes a few tenths of a second kept everybody else out"


def test_ctrl_c_ends_it() -> None:
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        simulate(LONG)
    assert time.monotonic() - begin < 10
