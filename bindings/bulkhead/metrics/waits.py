"""Waits of vCPUs: when one wanted a pCPU and had none, what ran meanwhile, and the decisions that decided so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.intervals import Intervals, run_intervals, runnable_intervals
from bulkhead.metrics.trace import Records, Trace, Window

Vcpu = tuple[int, int]  # domain and vCPU


@dataclass(frozen=True)
class Wait:
    """A vCPU was runnable and on no pCPU from `window.start` until `window.end` [ns]."""

    domain: int
    vcpu: int
    window: Window


@dataclass(frozen=True)
class Ran:
    """What ran on a pCPU during a window."""

    domain: int
    vcpu: int
    pcpu: int
    times: int  # that it was put there, or was there at the beginning
    ns: int


def waits(trace: Trace, vcpus: Iterable[Vcpu] | None = None) -> list[Wait]:
    """All waits by their start, of these vCPUs or of all.

    A wait is a part of a runnable interval (see `runnable_intervals`) in which the vCPU did not run.
    """
    running, wanted = run_intervals(trace), runnable_intervals(trace)
    chosen = set(vcpus) if vcpus is not None else set(zip(wanted.domain.tolist(), wanted.vcpu.tolist()))
    found = [wait for key in sorted(chosen) for wait in _waits_of(key, running, wanted)]
    return sorted(found, key=lambda wait: (wait.window.start, wait.domain, wait.vcpu))


def _waits_of(key: Vcpu, running: Intervals, wanted: Intervals) -> Iterable[Wait]:
    own = running.of_vcpu(*key)
    starts, ends = own.start[np.argsort(own.start)], np.sort(own.end)
    mine = wanted.of_vcpu(*key)
    for start, end in zip(mine.start.tolist(), mine.end.tolist()):
        at = start
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end, "left")
        for begin, stop in zip(starts[first:last].tolist(), ends[first:last].tolist()):
            if begin > at:
                yield Wait(*key, Window(at, begin))
            at = max(at, stop)
        if end > at:
            yield Wait(*key, Window(at, end))


def longest(found: Iterable[Wait]) -> Wait | None:
    """The longest of them, the earliest of equals; None if there is none."""
    every = list(found)
    return max(every, key=lambda wait: wait.window.length) if every else None


def ran_during(trace: Trace, window: Window) -> list[Ran]:
    """Which vCPUs ran in a window, on which pCPU and for how long: those with the most time first."""
    clipped = run_intervals(trace).clip(window)
    sums: dict[tuple[int, int, int], tuple[int, int]] = {}
    columns = (clipped.domain, clipped.vcpu, clipped.pcpu, clipped.lengths)
    for domain, vcpu, pcpu, ns in zip(*(column.tolist() for column in columns)):
        times, total = sums.get((domain, vcpu, pcpu), (0, 0))
        sums[(domain, vcpu, pcpu)] = (times + 1, total + ns)
    rows = [Ran(*key, *value) for key, value in sums.items()]
    return sorted(rows, key=lambda row: (-row.ns, row.domain, row.vcpu, row.pcpu))


def decisions(trace: Trace, window: Window) -> Records:
    """The `run_in` and `idle_in` records of a window, its end included: what the scheduler chose."""
    records = trace.of("run_in", "idle_in")
    times = records["time"]
    chosen: Records = records[(times >= window.start) & (times <= window.end)]
    return chosen


def cause(trace: Trace, wait: Wait) -> Records:
    """The record with which a wait began: its `wake`, or the `run_out` that left it runnable; empty if before the trace."""
    records = trace.of("wake", "run_out")
    own = (records["domain"] == wait.domain) & (records["vcpu"] == wait.vcpu)
    found: Records = records[own & (records["time"] == wait.window.start)][-1:]
    return found
