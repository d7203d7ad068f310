"""Measures the hypervisor's own costs on the hypervisor, from the traces of small machines, for the simulator.

Each cost is the median distance of two trace records, less what is known to lie between them. Where two costs always come
together only their sum is seen; how it is split is then a convention, which no simulated instant depends on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.metrics.schema import mark_codes
from bulkhead.result.plain import to_plain
from bulkhead.run import Run
from bulkhead.schema import enum_value, event_number
from bulkhead.spec import MIB, BulkheadError, GuestSpec, Machine, PolicySpec, TimelineEntry
from bulkhead.versions import versions

MILLISECOND = 1_000_000
ICOUNT = 2
NS = 1 << ICOUNT  # of an instruction
OPERATIONS = 50  # between two marks of the computation
FAULTS = 1000  # between two marks of the faults
CALLS = 60  # in a round of random calls
SLICE_END = enum_value("sched.Stop", "slice_end", "reason")
CHECK = 40  # convention: a guest's look at its events before it blocks
SETTLED = 200 * MILLISECOND


def _guest(name: str, workload: str, cmdline: str = "", paused: bool = False) -> GuestSpec:
    return GuestSpec(name, f"workload:{workload}", cmdline, memory=4 * MIB, start_paused=paused)


def machines(policy: str) -> dict[str, Machine]:
    """What is run: a conversation alone, the same beside a hog, a storm of yields, a computation, faults, and random calls."""
    talk = (
        _guest("victim", "responder", "peer=pinger"),
        _guest("pinger", "pinger", "peer=victim period_us=1130"),
    )
    common: dict[str, Any] = {"sched": PolicySpec(policy), "duration": 500 * MILLISECOND, "icount": ICOUNT}
    return {
        "alone": Machine(guests=talk, end_when_idle=False, **common),
        "beside": Machine(
            guests=(*talk, _guest("hog", "cpu_hog", paused=True)),
            timeline=(TimelineEntry(30 * MILLISECOND, "unpause", "hog"),),
            end_when_idle=False,
            **common,
        ),
        "storm": Machine(  # of two: who is alone gives nothing up
            guests=(_guest("storm", "yield_storm"), _guest("other", "yield_storm")),
            end_when_idle=False,
            **common,
        ),
        "compute": Machine(
            guests=(_guest("ops", "compute", f"mark_ops={OPERATIONS}"),), end_when_idle=False, **common
        ),
        "faults": Machine(
            guests=(_guest("faults", "loop_fault", f"mark_faults={FAULTS}"),), end_when_idle=False, **common
        ),
        "junk": Machine(
            guests=(_guest("junk", "garbage", "rounds=0 for_ms=60000"),), end_when_idle=False, **common
        ),
    }


@dataclass(frozen=True)
class _View:
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
            chosen &= self.records["a"] == mark_codes()[code]
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


def _is(event: str, code: str | None = None) -> Callable[[Any, Any], bool]:
    number, value = event_number(event), mark_codes()[code] if code is not None else None

    def accept(one: Any, other: Any) -> bool:
        same = other["domain"] == one["domain"] and (value is None or other["a"] == value)
        return bool(other["event"] == number and same)

    return accept


def _after(view: _View, first: Any, event: str, skip: tuple[str, ...] = ()) -> list[int]:
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


def _overruns(view: _View, guest: str) -> list[int]:
    """How much later than its slice's end each vCPU stopped [ns]."""
    into, late = None, []
    for record in view.records[view.records["domain"] == view.run.domain_id(guest)]:
        if record["event"] == event_number("run_in"):
            into = record
        elif record["event"] == event_number("run_out") and into is not None and record["a"] == SLICE_END:
            late.append(int(record["time"]) - int(into["time"]) - int(into["a"]))
    return late


def _building(run: Run) -> Iterator[tuple[str, int]]:
    """What comes before the guests run, from the whole trace [instructions]."""
    first = int(run.select("wake", "dom0")["time"][0])
    created = [int(record["time"]) for record in run.select("domain_create") if record["domain"] != 0]
    unpaused = int(run.select("domain_unpause")["time"][0])
    yield "power_on", first // NS
    yield "boot", (created[0] - first) // NS
    yield "build", (unpaused - created[0]) // len(created) // NS
    ready = int(run.select("mark", "ops", mark_codes()["ready"])["time"][0])
    into = run.select("run_in", "ops")["time"]
    yield "start", (ready - int(into[0])) // NS


def measure(execute: Callable[[Machine], Run], policy: str) -> dict[str, int]:
    """Costs in instructions by name, under one policy. BulkheadError if a machine did not do what it was for."""
    views = {name: _View(execute(machine)) for name, machine in machines(policy).items()}
    return {name: max(0, cost) for name, cost in _solve(views)}


def _solve(views: dict[str, _View]) -> Iterator[tuple[str, int]]:
    alone, beside, storm, compute = (views[name] for name in ("alone", "beside", "storm", "compute"))
    call = alone.gap("marks", alone.where("mark", "pinger", "deadline"), _is("mark", "request_sent"))
    ledger = compute.run.landmark.ledger["ops"]
    inside = min(call, round(ledger.hypervisor_ns / ledger.hypercalls / NS))
    leave, glue = inside // 2, call - inside
    sent = alone.where("mark", "pinger", "request_sent")
    notify = alone.gap("events", sent, _is("event_send")) - leave - glue
    interrupt = beside.median("timers beside a hog", beside.lateness("pinger"))
    stop = beside.median("slices that end", _overruns(compute, "ops")) - interrupt
    same = compute.gap("slices that end", compute.stops("ops", "slice_end"), _is("run_in"))
    other = alone.median("switches", _after(alone, alone.stops("pinger", "blocked"), "run_in"))
    blocked = alone.median("blocks", _after(alone, alone.where("event_send", "victim"), "run_out", ("wake",)))
    timed = alone.median("blocks", _after(alone, alone.where("event_send", "pinger"), "run_out", ("wake",)))
    yielded = storm.gap("yields", storm.where("run_in", "storm"), _is("run_out"))
    idle = alone.median("timers of an idle machine", alone.lateness("pinger"))
    woken = alone.median(
        "wake-ups", _after(alone, alone.where("timer_fire", "pinger"), "run_in", ("wake", "idle_out"))
    )
    seen = alone.gap("answers", alone.where("run_in", "victim"), _is("mark", "request_seen"))
    yield from (("mark", inside - leave), ("leave", leave), ("glue", glue), ("notify", notify))
    yield from (("interrupt", interrupt), ("stop", stop), ("pick", same), ("load", other - same))
    yield from (("yield", yielded - leave - glue - stop), ("wait", blocked - leave - CHECK - stop))
    yield from (("timer", timed - blocked), ("idle_exit", idle), ("fire", woken - other))
    yield from (("wait_check", CHECK), ("upcall", seen - leave - CHECK - call + leave))
    yield from (("control", notify), ("shutdown", notify))
    yield from _working(compute, call, interrupt + leave)
    yield from _each(views["faults"], "faults", FAULTS, ("fault", "handler"), leave)
    yield from _each(views["junk"], "junk", CALLS, ("junk", "junk_own"), leave)
    yield from _building(compute.run)


def _working(view: _View, call: int, around: int) -> Iterator[tuple[str, int]]:
    """What operations and the hypervisor's own timer take, from the distances of a computation's marks."""
    distances = np.diff(view.records["time"][view.where("mark", "ops", "operations")]) // NS
    usual = int(np.median(distances))
    yield "loop", (usual - call) // OPERATIONS - 1000
    domains = len(view.run.landmark.ledger)
    longer = distances[(distances > usual + around) & (distances < usual + 20 * around)]
    most = int(np.median(longer)) - usual - around if len(longer) else 0
    yield "housekeeping", most // domains


def _each(
    view: _View, guest: str, count: int, names: tuple[str, str], leave: int
) -> Iterator[tuple[str, int]]:
    """The hypervisor's part and the guest's own of what it does `count` times between two marks, by the ledger's proportion."""
    times = view.records["time"][view.where("mark", guest, "operations")]
    each = view.median(guest, np.diff(times)) // count
    row = view.run.landmark.ledger[guest]
    inside = round(each * row.hypervisor_ns / (row.hypervisor_ns + row.guest_ns))
    yield from ((names[0], inside - leave), (names[1], each - inside))


def calibrate(
    execute: Callable[[Machine], Run], policies: Sequence[str], path: Path
) -> dict[str, dict[str, int]]:
    """Measure under each policy and write the file that the simulator reads, with what it was measured on."""
    found = {policy: measure(execute, policy) for policy in policies}
    row = {"versions": to_plain(versions()), "instructions": found}
    path.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return found
