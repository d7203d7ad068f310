"""What the calibration reads from a trace: distances between records, in instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bulkhead.backend.sim.calibrate_machines import MILLISECOND, NS
from bulkhead.base.errors import BulkheadError
from bulkhead.base.schema import MARKS, enum_value, event_number
from bulkhead.model.run import Run

SLICE_END = enum_value("sched.Stop", "slice_end", "reason")
SETTLED = 200 * MILLISECOND


@dataclass(frozen=True)
class View:
    """A run's records once everything has settled, with distances in instructions."""

    run: Run

    @cached_property
    def records(self) -> Any:
        last = int(self.run.trace["time"][-1])
        return self.run.trace[self.run.trace["time"] > last - self.run.machine.duration + SETTLED]

    def where(self, event: str, guest: str | None = None, code: str | None = None) -> Any:
        """Indices of an event's records."""
        chosen = self.records["event"] == event_number(event)
        if guest is not None:
            chosen &= self.records["domain"] == self.run.domain_id(guest)
        if code is not None:
            chosen &= self.records["a"] == MARKS[code]
        return np.flatnonzero(chosen)

    def stops(self, guest: str, why: str) -> Any:
        """Indices of run_out for one reason."""
        at = self.where("run_out", guest)
        return at[self.records["a"][at] == enum_value("sched.Stop", why, "reason")]

    def lateness(self, guest: str) -> Any:
        """How late the guest's timers expired [ns]."""
        return self.records["b"][self.where("timer_fire", guest)].astype(np.int64)

    def median(self, what: str, distances: Any) -> int:
        """Median of distances in ns, as instructions. BulkheadError if there is none."""
        if not len(distances):
            raise BulkheadError(f"calibration saw no {what}; the trace is not what it should be")
        return round(float(np.median(distances)) / NS)

    def gap(self, what: str, first: Any, accept: Callable[[Any, Any], bool]) -> int:
        """Median distance from each record of `first` to the one that follows it, where `accept` says so."""
        times = self.records["time"]
        pairs = [
            int(times[i + 1] - times[i])
            for i in first
            if i + 1 < len(self.records) and accept(self.records[i], self.records[i + 1])
        ]
        return self.median(what, pairs)


def follows(event: str, code: str | None = None) -> Callable[[Any, Any], bool]:
    number, value = event_number(event), MARKS[code] if code is not None else None

    def accept(one: Any, other: Any) -> bool:
        same = other["domain"] == one["domain"] and (value is None or other["a"] == value)
        return bool(other["event"] == number and same)

    return accept


def after(view: View, first: Any, event: str, skip: tuple[str, ...] = ()) -> list[int]:
    """Distances [ns] from each record of `first` to the next `event`, where nothing but `skip` lies between."""
    wanted, skipped = event_number(event), [event_number(name) for name in skip]
    gaps = []
    for i in first:
        j = i + 1
        while j < len(view.records) and view.records["event"][j] in skipped:
            j += 1
        if j < len(view.records) and view.records["event"][j] == wanted:
            gaps.append(int(view.records["time"][j] - view.records["time"][i]))
    return gaps
