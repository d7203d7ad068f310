"""Costs of conversing and of periodic guests, and of the calls that only they make."""

from __future__ import annotations

from collections.abc import Mapping

from bulkhead.backend.sim.calibrate_machines import CHECK, JOB, NS
from bulkhead.backend.sim.calibrate_view import View, is_next
from bulkhead.base.schema import enum_value, event_number

BLOCKED = enum_value("sched.Stop", "blocked", "reason")


def conversing(view: View, found: Mapping[str, int]) -> dict[str, int]:
    """The pinger's way from its waking to a request, and the end of sending an event that woke its target."""
    sent = [i + 1 for i in view.where("event_send", "victim")]
    wakes = [i for i in sent if view.records["event"][i] == event_number("wake")]
    rest, outs = found["leave"] + CHECK + found["wait"], [i + 1 for i in wakes if i + 1 < len(view.records)]
    blocks = [i for i in outs if view.records["event"][i] == event_number("run_out")]
    gaps = [
        int(view.records["time"][i] - view.records["time"][i - 1])
        - (rest * NS if view.records["a"][i] == BLOCKED else 0)
        for i in blocks
    ]
    turn = view.gap("requests", view.where("run_in", "pinger"), is_next("mark", "deadline"))
    before = found["load"] + found["leave"] + CHECK + found["upcall"] + found["ask"]
    return {
        "roused": view.median("replies", gaps) - found["stop"],
        "round": turn - before - found["mark"] - found["glue"],
    }


def polling(view: View, found: Mapping[str, int]) -> dict[str, int]:
    """The costs of a periodic task that polls until its next release."""
    call = found["mark"] + found["glue"]
    releases, wakes = view.where("mark", "task", "deadline"), view.where("wake", "task")
    blocked = view.gap("polls", releases, is_next("run_out"))
    late = [
        int(view.records["time"][i]) - int(view.records["b"][releases[releases < i][-1]])
        for i in wakes[wakes > releases[0]]
    ]
    seen = view.where("mark", "task", "request_seen")
    done = view.where("mark", "task", "response_sent")
    return {
        "poll": blocked - found["leave"] - found["glue"] - found["stop"],
        "expire": view.median("timeouts", late) - found["idle_exit"],
        "poll_check": view.gap("jobs", view.where("run_in", "task"), is_next("mark", "request_seen"))
        - found["load"]
        - found["leave"]
        - call,
        "job": view.gap("jobs", seen, is_next("mark", "response_sent")) - JOB - found["leave"] - call,
        "next_job": view.gap("jobs", done, is_next("mark", "deadline")) - found["leave"] - call,
    }
