"""`bulkhead calibrate`: measures on the hypervisor what its own work costs, for the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import List

import typer

from bulkhead.backend.sim.calibrate import calibrate as measure_all
from bulkhead.backend.sim.calibrate import keep, moved
from bulkhead.backend.sim.costs import FILE, HELP, Costs
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.model.machine import Machine
from bulkhead.policy.tables import built_policies


def calibrate(
    policies: List[str] = typer.Argument(
        None, help="Schedulers to measure under; default: all that are built."
    ),
    out: Path = typer.Option(FILE, help="File to write; the simulator reads the default file."),
    check: bool = typer.Option(
        False,
        "--check",
        help="Write nothing; compare with the file. Exit status 1 if a cost moved by over 5 %.",
    ),
) -> int:
    """Run small machines under each scheduler and write the costs, in instructions, that the simulator charges."""
    known = built_policies("scheduler")
    for name in policies or ():
        if name not in known:
            raise SpecError(f"calibrate: unknown scheduler '{name}'{suggest(name, known)}")
    found = measure_all(Machine.run, list(policies or known))
    names = next(iter(found.values()))
    for cost in names:
        values = " ".join(f"{row[cost]:>9}" for row in found.values())
        print(f"{cost:13}{values}  {HELP[cost]}")
    if check:
        return _compare(found, out)
    keep(found, out)
    print(f"wrote {out}: {', '.join(found)}")
    return 0


def _compare(found: dict[str, dict[str, int]], path: Path) -> int:
    faults = [
        line for name, row in found.items() for line in moved(name, row, Costs.read(name, path).instructions)
    ]
    for line in faults:
        print(line)
    print(f"{path}: {'run ./bulkhead calibrate again' if faults else 'as measured'}: {', '.join(found)}")
    return 1 if faults else 0
