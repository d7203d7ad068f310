"""`bulkhead replay`: the demand of a recorded run's guests, served again in the simulator by any scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.backend.sim import simulate
from bulkhead.backend.sim.demand import demand, replay_machine
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import RESULTS, output_folder
from bulkhead.base.schema import GOOD_ENDS
from bulkhead.model import storage
from bulkhead.model.run import EXIT_TEXT, Run
from bulkhead.policy.choose import parse_policy

OUT = RESULTS / "replay"


def _table(recorded: Run, replayed: Run, names: list[str]) -> str:
    """CPU time with the hypervisor's for it, wakes and waiting of each guest, then and now."""
    lines = [
        "| guest | CPU [ms] | replayed | wakes | replayed | waited [ms] | replayed |",
        "| --- |" + " ---: |" * 6,
    ]
    for name in names:
        then, now = recorded.landmark.ledger[name], replayed.landmark.ledger[name]
        used = [(row.guest_ns + row.hypervisor_ns) / 1e6 for row in (then, now)]
        lines.append(
            f"| {name} | {used[0]:,.3f} | {used[1]:,.3f} | {then.wakes} | {now.wakes} "
            f"| {then.waiting_ns / 1e6:,.3f} | {now.waiting_ns / 1e6:,.3f} |"
        )
    return "\n".join(lines)


def replay(
    run: Path = typer.Argument(
        ..., help="Folder of a run, from `boot --out` or below an experiment's runs/."
    ),
    guest: List[str] = typer.Option([], help="Replay only these guests; default: all that ran."),
    sched: Optional[str] = typer.Option(
        None, help="Another scheduler, NAME[:p=v,...]; default: the recorded one."
    ),
    think: bool = typer.Option(
        False, "--think", help="Sleeps keep their lengths; else they end when they ended then."
    ),
    out: Path = typer.Option(OUT, help="Folder for the workloads (GUEST.steps) and the simulated run."),
) -> int:
    """Turn a recorded trace into workloads of the simulator, run them, and compare.

    The files serve as guests: kernel model:replay, cmdline file=GUEST.steps.
    """
    recorded = storage.load(run)
    output_folder(out)
    if sum(recorded.landmark.trace_lost):
        raise BulkheadError(
            f"{run}: {sum(recorded.landmark.trace_lost)} trace records are lost; record it again"
        )
    names = list(guest) or [
        spec.name
        for spec in recorded.machine.guests
        if (row := recorded.landmark.ledger.get(spec.name)) is not None and row.run_ins
    ]
    demands = [demand(recorded, name) for name in names]
    policy = parse_policy("scheduler", sched) if sched is not None else None
    machine = replay_machine(recorded, demands, out, policy, think)
    replayed = simulate(machine)
    if replayed.exit_status not in GOOD_ENDS:
        raise BulkheadError(f"replay: {EXIT_TEXT.get(replayed.exit_status, 'unknown end')}")
    storage.save(replayed, out / "run")
    print(_table(recorded, replayed, names))
    for each in demands:
        print(f"wrote {out / each.name}.steps")
    print(f"wrote {out / 'run'}")
    return 0
