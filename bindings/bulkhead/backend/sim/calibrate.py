"""Measures the hypervisor's own costs on the hypervisor, from the traces of small machines, for the simulator.

Each cost is the median distance of two trace records, less what is known to lie between them. Where two costs always come
together only their sum is seen; how it is split is then a convention, which no simulated instant depends on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.backend.sim.calibrate_domain0 import building, orders
from bulkhead.backend.sim.calibrate_machines import (
    CHECK,
    CALLS,
    FAULTS,
    MILLISECOND,
    NS,
    OPERATIONS,
    WORK,
    common_machines,
    machines,
)
from bulkhead.backend.versions import versions
from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import to_plain
from bulkhead.base.schema import MARKS, enum_value, event_number
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run

SLICE_END = enum_value("sched.Stop", "slice_end", "reason")
SETTLED = 200 * MILLISECOND
TOLERANCE = 0.05  # how far a kept cost may be from what is measured
FEW = 10  # instructions: how a sum is split over two small costs may differ by as many
Execute = Callable[[Machine], Run]


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


def _is(event: str, code: str | None = None) -> Callable[[Any, Any], bool]:
    number, value = event_number(event), MARKS[code] if code is not None else None

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


def measure(execute: Execute, policy: str, common: dict[str, Run]) -> dict[str, int]:
    """Costs in instructions by name, under one policy. BulkheadError if a machine did not do what it was for.

    `common` are the runs of `common_machines()`.
    """
    runs = common | {name: execute(machine) for name, machine in machines(policy).items()}
    views = {name: _View(run) for name, run in runs.items()}
    found = dict(_solve(views))
    found |= orders(runs["orders"], found)
    found |= building(runs["compute"], runs["beside"], found)
    return {name: max(0, cost) for name, cost in found.items()}


def _solve(views: dict[str, _View]) -> Iterator[tuple[str, int]]:
    alone, beside, storm, compute = (views[name] for name in ("alone", "beside", "storm", "compute"))
    call = alone.gap("marks", alone.where("mark", "pinger", "deadline"), _is("mark", "request_sent"))
    ledger = compute.run.landmark.ledger["ops"]
    inside = min(call, round(ledger.hypervisor_ns / ledger.hypercalls / NS))
    leave, glue = inside // 2, call - inside
    resume = _resumed(views["turns"], "ops") - leave
    sent = alone.where("mark", "pinger", "request_sent")
    notify = alone.gap("events", sent, _is("event_send")) - leave - glue
    interrupt = beside.median("timers beside a hog", beside.lateness("pinger"))
    stop = beside.median("slices that end", _overruns(compute, "ops")) - interrupt
    returns = _yield(views["yields"]) - leave - glue
    load = _turn(views["yields_in_turn"]) - resume - leave - glue - returns - stop
    goes_on = resume + load + leave
    seen = alone.gap("answers", alone.where("run_in", "victim"), _is("mark", "request_seen"))
    guests = dict(_own_work(views["crowd"], call, leave))
    yield from (
        ("mark", inside - leave),
        ("leave", leave),
        ("glue", glue),
        ("notify", notify),
        ("resume", resume),
        ("load", load),
    )
    yield from (("interrupt", interrupt), ("stop", stop), ("yield", returns))
    yield from (("idle_exit", alone.median("timers of an idle machine", alone.lateness("pinger"))),)
    yield from _choosing(alone, compute, storm)
    yield from _waking(alone, views["crowd"], guests["take"] + leave + CHECK + stop)
    yield from guests.items()
    yield from (("wait_check", CHECK), ("upcall", seen - goes_on - CHECK - call + leave))
    yield from (("control", notify), ("shutdown", notify))
    yield from _working(compute, call, interrupt + leave)
    yield from _each(views["faults"], "faults", FAULTS, ("fault", "handler"), leave)
    yield from _each(views["junk"], "junk", CALLS, ("junk", "junk_own"), leave)


def _resumed(view: _View, guest: str) -> int:
    """From a run_in until the guest goes on: by how much a computation's marks around the end of a slice are further apart."""
    own = view.records[view.records["domain"] == view.run.domain_id(guest)]
    marks, ins, outs = (own["event"] == event_number(name) for name in ("mark", "run_in", "run_out"))
    usual = int(np.median(np.diff(own["time"][marks].astype(np.int64))))
    found = []
    for at in np.flatnonzero(outs & (own["a"] == SLICE_END)):
        into = np.flatnonzero(ins[:at])
        around = own["time"][at - 1 : at + 3].astype(np.int64)  # a mark, run_out, run_in, a mark
        if len(into) and len(around) == 4 and marks[at - 1] and ins[at + 1] and marks[at + 2]:
            ended = int(own["time"][into[-1]]) + int(own["a"][into[-1]])
            found.append(int(around[3] - around[0]) - usual - int(around[2] - ended))
    return view.median("slices that end", found)


def _yield(view: _View) -> int:
    """A yield while nobody waits, and the way to the next one, from the ledger."""
    row = view.run.landmark.ledger["storm"]
    return round((row.hypervisor_ns + row.guest_ns) / row.hypercalls / NS)


def _turn(view: _View) -> int:
    """From a vCPU's start to its end by a yield."""
    return view.gap("yields", view.where("run_in", "storm"), _is("run_out"))


def _choosing(alone: _View, compute: _View, storm: _View) -> Iterator[tuple[str, int]]:
    """The policy's part of a switch: the hooks that report a stop and that pick a vCPU, or none."""
    same = compute.gap("slices that end", compute.stops("ops", "slice_end"), _is("run_in"))
    other = alone.median("switches", _after(alone, alone.stops("pinger", "blocked"), "run_in"))
    last = [*alone.stops("pinger", "blocked"), *alone.stops("victim", "blocked")]
    halted = alone.median("halts", _after(alone, last, "idle_in"))
    pick = alone.median("ends of halts", _after(alone, alone.where("idle_out"), "run_in"))
    release = max(0, other - pick)
    yield from (("pick", pick), ("release", release), ("requeue", same - release - pick))
    yielded = storm.median("yields in turn", _after(storm, storm.stops("storm", "yielded"), "run_in"))
    yield "give_way", yielded - release - pick
    yield "rest", halted - release - pick


def _waking(alone: _View, crowd: _View, around: int) -> Iterator[tuple[str, int]]:
    """From events and timers to wakes, and how long a block takes. `around` is what else lies between a reply and a block.

    Setting a timer takes the same under every policy: by as much does a pinger block later than a responder.
    """
    signal = alone.median("wakes", _after(alone, alone.where("event_send", "victim"), "wake"))
    blocked, timed = (
        crowd.median("blocks", _after(crowd, crowd.where("event_send", guest), "run_out", ("wake",)))
        for guest in ("victim", "pinger")
    )
    replies = alone.where("mark", "pinger", "reply_received")
    last = alone.median("blocks", _after(alone, replies, "run_out"))
    fires = alone.where("timer_fire", "pinger")
    fire = alone.median("timers", _after(alone, fires, "wake"))
    woken = alone.median("wake-ups", _after(alone, fires, "idle_out", ("wake",)))
    yield from (("signal", signal), ("timer", timed - blocked), ("wait", last - around - timed + blocked))
    yield from (("fire", fire), ("woke", woken - fire))


def _own_work(view: _View, call: int, leave: int) -> Iterator[tuple[str, int]]:
    """The work of the conversation's guests between their calls, and the end of sending an event to an awake guest."""
    replies, requests = (view.where("mark", "pinger", code) for code in ("reply_received", "request_sent"))
    take = view.gap("replies", replies, _is("mark", "reply_received")) - call
    ask = view.gap("requests after replies", replies, _is("mark", "deadline")) - call - take
    events = [i + 1 for i in requests]
    sent = view.gap("requests in a row", events, _is("mark", "deadline")) - call - ask
    seen = view.where("mark", "victim", "request_seen")
    serve = view.gap("answers", seen, _is("mark", "response_sent")) - call - 4 * WORK
    done = view.where("mark", "victim", "response_sent")
    answer = view.gap("events after answers", done, _is("event_send")) - view.gap(
        "events after requests", requests, _is("event_send")
    )
    yield from (("take", take), ("ask", ask), ("sent", max(0, sent)), ("serve", serve + answer))


def _working(view: _View, call: int, around: int) -> Iterator[tuple[str, int]]:
    """Costs of operations and of the hypervisor's own timer, from the distances of a computation's marks."""
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


def run_common(execute: Execute) -> dict[str, Run]:
    """The runs that serve every policy."""
    return {name: execute(machine) for name, machine in common_machines().items()}


def calibrate(execute: Execute, policies: Sequence[str]) -> dict[str, dict[str, int]]:
    """Costs in instructions by policy and name."""
    common = run_common(execute)
    return {policy: measure(execute, policy, common) for policy in policies}


def keep(found: dict[str, dict[str, int]], path: Path) -> None:
    """Write the file that the simulator reads, with what it was measured on."""
    row = {"versions": to_plain(versions()), "instructions": found}
    path.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def moved(policy: str, measured: Mapping[str, int], kept: Mapping[str, int]) -> list[str]:
    """Costs that are no longer as kept, one sentence each."""
    return [
        f"{policy}: {name} takes {now} instructions, {kept.get(name)} are kept"
        for name, now in measured.items()
        if name not in kept or abs(now - kept[name]) > max(FEW, TOLERANCE * kept[name])
    ]
