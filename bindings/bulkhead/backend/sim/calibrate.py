"""Measures the hypervisor's own costs on the hypervisor, from the traces of small machines, for the simulator.

Each cost is the median distance of two trace records, less what is known to lie between them. Where two costs always come
together only their sum is seen; how it is split is then a convention, which no simulated instant depends on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.backend.sim.calibrate_disk import reading
from bulkhead.backend.sim.calibrate_domain0 import building, orders, powering_on
from bulkhead.backend.sim.calibrate_machines import (
    CHECK,
    CALLS,
    FAULTS,
    JOB_US,
    NS,
    OPERATIONS,
    WORK,
    common_machines,
    machines,
)
from bulkhead.backend.sim.calibrate_memory import paging
from bulkhead.backend.sim.calibrate_switches import (
    choosing,
    one_yield,
    overruns,
    preempting,
    rest_of_timer,
    resumed,
    turn,
)
from bulkhead.backend.sim.calibrate_view import View, after, follows
from bulkhead.backend.versions import versions
from bulkhead.base.plain import to_plain
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run

TOLERANCE = 0.05  # how far a kept cost may be from what is measured
FEW = 10  # instructions: how a sum is split over two small costs may differ by as many
Execute = Callable[[Machine], Run]


def measure(execute: Execute, policy: str, common: dict[str, Run]) -> dict[str, int]:
    """Costs in instructions by name, under one policy. BulkheadError if a machine did not do what it was for.

    `common` are the runs of `common_machines()`.
    """
    runs = common | {name: execute(machine) for name, machine in machines(policy).items()}
    views = {name: View(run) for name, run in runs.items()}
    found = dict(_solve(views))
    found |= dict(_jobs(views["jobs"], found))
    found |= orders(runs["orders"], found)
    found |= powering_on(runs["compute"], runs["beside"], runs["yields"])
    found |= building(runs["compute"], runs["beside"], found)
    found |= dict(paging(runs, found))
    found |= dict(reading(runs, found))
    return {name: max(0, cost) for name, cost in found.items()}


def _solve(views: dict[str, View]) -> Iterator[tuple[str, int]]:
    alone, beside, storm, compute = (views[name] for name in ("alone", "beside", "storm", "compute"))
    call = alone.gap("marks", alone.where("mark", "pinger", "deadline"), follows("mark", "request_sent"))
    ledger = compute.run.landmark.ledger["ops"]
    inside = min(call, round(ledger.hypervisor_ns / ledger.hypercalls / NS))
    leave, glue = inside // 2, call - inside
    resume = resumed(views["turns"], "ops") - leave
    sent = alone.where("mark", "pinger", "request_sent")
    notify = alone.gap("events", sent, follows("event_send")) - leave - glue
    interrupt = beside.median("timers beside a hog", beside.lateness("pinger"))
    stop = beside.median("slices that end", overruns(compute, "ops")) - interrupt
    returns = one_yield(views["yields"]) - leave - glue
    load = resumed(views["shared"], "ops") - leave - resume
    cede = turn(views["yields_in_turn"]) - resume - load - leave - glue - returns - stop
    goes_on = resume + load + leave
    seen = alone.gap("answers", alone.where("run_in", "victim"), follows("mark", "request_seen"))
    guests = dict(_own_work(views["crowd"], call, leave))
    yield from (
        ("mark", inside - leave),
        ("leave", leave),
        ("glue", glue),
        ("notify", notify),
        ("resume", resume),
        ("load", load),
    )
    yield from (("interrupt", interrupt), ("stop", stop), ("yield", returns), ("cede", cede))
    yield from (("idle_exit", alone.median("timers of an idle machine", alone.lateness("pinger"))),)
    yield from choosing(alone, compute, storm)
    yield from preempting(alone, beside, stop)
    yield from _waking(alone, views["crowd"], guests["take"] + leave + CHECK + stop)
    yield from guests.items()
    yield from (("wait_check", CHECK), ("upcall", seen - goes_on - CHECK - call + leave))
    yield from (("control", notify), ("shutdown", notify))
    yield from _working(compute, call, interrupt + leave)
    yield from _each(views["faults"], "faults", FAULTS, ("fault", "handler"), leave)
    yield from _each(views["junk"], "junk", CALLS, ("junk", "junk_own"), leave)


def _waking(alone: View, crowd: View, around: int) -> Iterator[tuple[str, int]]:
    """From events and timers to wakes, and how long a block takes. `around` is what else lies between a reply and a block.

    Setting a timer takes the same under every policy: by as much does a pinger block later than a responder.
    """
    signal = alone.median("wakes", after(alone, alone.where("event_send", "victim"), "wake"))
    blocked, timed = (
        crowd.median("blocks", after(crowd, crowd.where("event_send", guest), "run_out", ("wake",)))
        for guest in ("victim", "pinger")
    )
    replies = alone.where("mark", "pinger", "reply_received")
    last = alone.median("blocks", after(alone, replies, "run_out"))
    fires = alone.where("timer_fire", "pinger")
    fire = alone.median("timers", after(alone, fires, "wake"))
    yield from (("signal", signal), ("timer", timed - blocked), ("wait", last - around - timed + blocked))
    yield from (("fire", fire), ("woke", rest_of_timer(alone)))


def _jobs(view: View, found: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """A periodic task's polls, and its own work around its jobs, with the costs that are `found` already."""
    leave, glue = found["leave"], found["glue"]
    call = found["mark"] + leave + glue
    due = view.where("mark", "task", "deadline")
    seen, sent = (view.where("mark", "task", code) for code in ("request_seen", "response_sent"))
    poll = view.gap("polls", due, follows("run_out")) - leave - glue - found["stop"]
    expire = view.median("timeouts", _timeouts(view, due)) - found["idle_exit"]
    job = view.gap("jobs", seen, follows("mark", "response_sent")) - call - JOB_US * 1000 // NS
    after = view.gap("ends of jobs", sent, follows("mark", "deadline")) - call
    yield from (("poll", poll), ("expire", expire), ("job", job + after))


def _timeouts(view: View, due: Any) -> list[int]:
    """From each deadline to the wake [ns]."""
    woken = view.where("wake", "task")
    first = np.searchsorted(woken, due)
    return [
        int(view.records["time"][woken[j]]) - int(view.records["b"][i])
        for i, j in zip(due, first)
        if j < len(woken)
    ]


def _own_work(view: View, call: int, leave: int) -> Iterator[tuple[str, int]]:
    """The work of the conversation's guests between their calls, and the end of sending an event to an awake guest."""
    replies, requests = (view.where("mark", "pinger", code) for code in ("reply_received", "request_sent"))
    take = view.gap("replies", replies, follows("mark", "reply_received")) - call
    ask = view.gap("requests after replies", replies, follows("mark", "deadline")) - call - take
    events = [i + 1 for i in requests]
    sent = view.gap("requests in a row", events, follows("mark", "deadline")) - call - ask
    seen = view.where("mark", "victim", "request_seen")
    serve = view.gap("answers", seen, follows("mark", "response_sent")) - call - 4 * WORK
    done = view.where("mark", "victim", "response_sent")
    answer = view.gap("events after answers", done, follows("event_send")) - view.gap(
        "events after requests", requests, follows("event_send")
    )
    yield from (("take", take), ("ask", ask), ("sent", max(0, sent)), ("serve", serve + answer))


def _working(view: View, call: int, around: int) -> Iterator[tuple[str, int]]:
    """Costs of operations and of the hypervisor's own timer, from the distances of a computation's marks."""
    distances = np.diff(view.records["time"][view.where("mark", "ops", "operations")]) // NS
    usual = int(np.median(distances))
    yield "loop", (usual - call) // OPERATIONS - 1000
    domains = len(view.run.landmark.ledger)
    longer = distances[(distances > usual + around) & (distances < usual + 20 * around)]
    most = int(np.median(longer)) - usual - around if len(longer) else 0
    yield "housekeeping", most // domains


def _each(
    view: View, guest: str, count: int, names: tuple[str, str], leave: int
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
