"""What a switch costs, from the traces of small machines: for the vCPU that goes on, and for the policy that is asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bulkhead.backend.sim.calibrate_machines import NS
from bulkhead.backend.sim.calibrate_view import SLICE_END, View, after, follows
from bulkhead.base.schema import event_number


def overruns(view: View, guest: str) -> list[int]:
    """How much later than its slice's end each vCPU stopped [ns]."""
    into, late = None, []
    for record in view.records[view.records["domain"] == view.run.domain_id(guest)]:
        if record["event"] == event_number("run_in"):
            into = record
        elif record["event"] == event_number("run_out") and into is not None and record["a"] == SLICE_END:
            late.append(int(record["time"]) - int(into["time"]) - int(into["a"]))
    return late


def resumed(view: View, guest: str) -> int:
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


def one_yield(view: View) -> int:
    """A yield while nobody waits, and the way to the next one, from the ledger."""
    row = view.run.landmark.ledger["storm"]
    return round((row.hypervisor_ns + row.guest_ns) / row.hypercalls / NS)


def turn(view: View) -> int:
    """From a vCPU's start to its end by a yield."""
    return view.gap("yields", view.where("run_in", "storm"), follows("run_out"))


def choosing(alone: View, compute: View, storm: View) -> Iterator[tuple[str, int]]:
    """The policy's part of a switch: the hooks that report a stop and that pick a vCPU, or none."""
    same = compute.gap("slices that end", compute.stops("ops", "slice_end"), follows("run_in"))
    release, pick = choosing_when_blocked(alone)
    last = [*alone.stops("pinger", "blocked"), *alone.stops("victim", "blocked")]
    halted = alone.median("halts", after(alone, last, "idle_in"))
    yield from (("pick", pick), ("release", release), ("requeue", same - release - pick))
    yielded = storm.median("yields in turn", after(storm, storm.stops("storm", "yielded"), "run_in"))
    yield "give_way", yielded - release - pick
    yield "rest", halted - release - pick


def choosing_when_blocked(alone: View) -> tuple[int, int]:
    """The hooks that hear of a block and that pick the next vCPU."""
    both = alone.median("switches", after(alone, alone.stops("pinger", "blocked"), "run_in"))
    pick = alone.median("ends of halts", after(alone, alone.where("idle_out"), "run_in"))
    return max(0, both - pick), pick


def preempting(alone: View, beside: View, stop: int) -> Iterator[tuple[str, int]]:
    """What a timer takes more if its vCPU preempts a hog, and the policy's part of that; nothing if it never does."""
    preempted = beside.stops("hog", "preempted")
    awake = [i - 1 for i in preempted if beside.records["event"][i - 1] == event_number("wake")]
    if not awake:
        yield from (("kick", 0), ("step_back", 0))
        return
    until = beside.median("preemptions", after(beside, awake, "run_out")) - stop
    picked = beside.median("preemptions", after(beside, preempted, "run_in"))
    yield "kick", until - rest_of_timer(alone)
    yield "step_back", picked - sum(choosing_when_blocked(alone))


def rest_of_timer(alone: View) -> int:
    """From the wake by a timer until its pCPU leaves the halt."""
    fires = alone.where("timer_fire", "pinger")
    woken = alone.median("wake-ups", after(alone, fires, "idle_out", ("wake",)))
    return woken - alone.median("timers", after(alone, fires, "wake"))
