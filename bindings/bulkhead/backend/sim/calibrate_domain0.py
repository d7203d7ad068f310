"""Costs of domain 0's work, from the traces of small machines: it builds guests, and carries out the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bulkhead.backend.sim.calibrate_machines import CHECK, NS
from bulkhead.base.errors import BulkheadError
from bulkhead.base.schema import MARKS, event_number
from bulkhead.model.run import Run


@dataclass(frozen=True)
class _Records:
    """The records of a run; times in instructions."""

    run: Run

    def _next(self, event: str, guest: str | None, since: int, step: int) -> int:
        """The first such record from `since` on, forwards or backwards. BulkheadError if there is none."""
        records = self.run.trace
        wanted = records["event"] == event_number(event)
        if guest is not None:
            wanted &= records["domain"] == self.run.domain_id(guest)
        found: Any = np.flatnonzero(wanted)
        found = found[found >= since] if step > 0 else found[found <= since][::-1]
        if not len(found):
            raise BulkheadError(f"calibration saw no {event} of {guest}; the trace is not what it should be")
        return int(found[0])

    def after(self, at: int, event: str, guest: str | None = None) -> int:
        """Index of the next record of that kind."""
        return self._next(event, guest, at, 1)

    def before(self, at: int, event: str, guest: str | None = None) -> int:
        """Index of the last record of that kind."""
        return self._next(event, guest, at, -1)

    def between(self, first: int, last: int) -> int:
        """Instructions from one record to another."""
        times = self.run.trace["time"]
        return (int(times[last]) - int(times[first])) // NS


def orders(run: Run, found: Mapping[str, int]) -> dict[str, int]:
    """Costs of an entry of the timeline, from the run of `ORDERS`; `found` are those of calls and switches."""
    records = _Records(run)
    call = found["glue"] + found["control"]
    woken = found["resume"] + found["load"] + found["leave"] + CHECK + found["upcall"] + call
    sleep = found["leave"] + CHECK + found["timer"] + found["wait"] + found["stop"]

    def begin(at: int) -> int:
        """From domain 0's turn until its order takes effect."""
        return records.between(records.before(at, "run_in", "dom0"), at) - woken

    def end(at: int) -> int:
        """And from there until it sleeps."""
        return records.between(at, records.after(at, "run_out", "dom0")) - sleep

    started = records.after(0, "domain_unpause", "asleep")
    first = records.after(started, "wake", "asleep")
    paused = records.after(0, "domain_pause", "asleep")
    swapped = records.after(paused, "policy_load")
    created = records.after(swapped, "domain_create", "late")
    destroyed = records.after(created, "domain_destroy", "asleep")
    order, settle = begin(paused), end(paused)
    return {
        "survey": end(first) - found["woke"],
        "order": order,
        "settle": settle,
        "create": begin(created) - order,
        "destroy": end(destroyed) - settle,
        "swap": records.between(records.before(swapped, "run_out", "dom0"), swapped),
        "takeover": records.between(swapped, records.after(swapped, "run_in", "dom0")) - found["pick"],
    }


def _built(run: Run) -> tuple[int, list[int]]:
    """How long domain 0 took until it created the first guest, and then for each guest [instructions]."""
    first = int(run.select("wake", "dom0")["time"][0])
    created = [int(record["time"]) for record in run.select("domain_create") if record["domain"] != 0]
    ends = [*created[1:], run.landmark.started]
    return (created[0] - first) // NS, [(end - begin) // NS for begin, end in zip(created, ends)]


def building(run: Run, crowd: Run, found: Mapping[str, int]) -> dict[str, int]:
    """Costs before the guests run, from the whole traces of machines with one guest and with several [instructions]."""
    (boot, (build,)), (boot_all, builds) = _built(run), _built(crowd)
    count, create = len(builds), found["create"]
    more = sum(builds) - (count - 1) * create - count * build
    ready = int(run.select("mark", "ops", MARKS["ready"])["time"][0])
    into = run.select("run_in", "ops")["time"]
    goes_on = found["resume"] + found["load"] + found["leave"]
    return {
        "power_on": int(run.select("wake", "dom0")["time"][0]) // NS,
        "boot": boot - create,
        "boot_more": (boot_all - boot) // (count - 1),
        "build": build,
        "build_more": 2 * more // (count * (count - 1)),
        "start": (ready - int(into[0])) // NS - goes_on - found["mark"],
    }
