"""The cases of `bulkhead bench trace`: what happens to a trace between a machine's memory and an experiment's numbers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings"), str(ROOT)]

from bulkhead import metrics  # noqa: E402
from bulkhead.backend.landmark import merge  # noqa: E402
from bulkhead.backend.sim import simulate  # noqa: E402
from bulkhead.base.layouts import RECORD  # noqa: E402
from bulkhead.base.units import MIB  # noqa: E402
from bulkhead.model import storage  # noqa: E402
from bulkhead.model.machine import Machine  # noqa: E402
from bulkhead.model.run import Run  # noqa: E402
from bulkhead.model.spec import Guest, Policy  # noqa: E402

SECOND = 1_000_000_000
Case = tuple[str, int, Callable[[], Any]]


def _run(pcpus: int, seconds: int) -> Run:
    """Requests and replies beside hogs that the scheduler turns over: a few thousand records in each second and pCPU."""
    talk = (
        Guest("victim", "workload:responder", "peer=pinger", memory=4 * MIB),
        Guest("pinger", "workload:pinger", "peer=victim", memory=4 * MIB),
    )
    hogs = tuple(Guest(f"hog{i}", "workload:cpu_hog", memory=4 * MIB) for i in range(2 * pcpus))
    machine = Machine(
        guests=talk + hogs,
        sched=Policy("credit"),
        pcpus=pcpus,
        duration=seconds * SECOND,
        end_when_idle=False,
    )
    return simulate(machine)


def _rings(run: Run) -> list[Any]:
    """The records as they lay in each pCPU's ring."""
    return [run.trace[run.trace["pcpu"] == pcpu].copy() for pcpu in range(run.machine.pcpus)]


def _from_bytes(rings: list[bytes]) -> Any:
    import numpy as np

    return merge([np.frombuffer(ring, dtype=RECORD) for ring in rings])


def _latencies(run: Run) -> Any:
    trace = metrics.Trace(run.trace, metrics.Schema.built())
    return metrics.wake_to_run(trace, trace.whole, run.domain_id("victim"))


def _intervals(run: Run) -> Any:
    trace = metrics.Trace(run.trace, metrics.Schema.built())
    return metrics.run_intervals(trace), metrics.runnable_intervals(trace), metrics.idle_intervals(trace)


def _saved(run: Run, folder: Path) -> Callable[[], Any]:
    storage.save(run, folder)
    return partial(storage.load, folder)


FOLDER = tempfile.TemporaryDirectory(prefix="bulkhead-bench-")


def cases() -> list[Case]:
    """Name, records that one call decodes, the call."""
    found: list[Case] = []
    for pcpus in (1, 4):
        run = _run(pcpus, 10)
        count, words = len(run.trace), f"{pcpus} pCPU"
        data = [ring.tobytes() for ring in _rings(run)]
        folder = Path(FOLDER.name) / str(pcpus)
        found += [
            (f"merge and hash/{words}", count, partial(_from_bytes, data)),
            (f"intervals/{words}", count, partial(_intervals, run)),
            (f"wake to run/{words}", count, partial(_latencies, run)),
            (f"load from disk/{words}", count, _saved(run, folder)),
            (f"save to disk/{words}", count, partial(storage.save, run, folder)),
        ]
    return found
