"""`bulkhead calibrate`: measures on the hypervisor what its own work costs, for the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import List

import typer

from bulkhead.backend.sim.calibrate import calibrate as measure_all
from bulkhead.backend.sim.costs import FILE, HELP
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.model.machine import Machine
from bulkhead.policy.tables import built_policies


def calibrate(
    policies: List[str] = typer.Argument(
        None, help="Schedulers to measure under; default: all that are built."
    ),
    out: Path = typer.Option(FILE, help="File to write; the simulator reads the default file."),
) -> int:
    """Run small machines under each scheduler and write the costs, in instructions, that the simulator charges."""
    known = built_policies("scheduler")
    for name in policies or ():
        if name not in known:
            raise SpecError(f"calibrate: unknown scheduler '{name}'{suggest(name, known)}")
    found = measure_all(Machine.run, list(policies or known), out)
    names = next(iter(found.values()))
    for cost in names:
        values = " ".join(f"{row[cost]:>9}" for row in found.values())
        print(f"{cost:13}{values}  {HELP[cost]}")
    print(f"wrote {out}: {', '.join(found)}")
    return 0
