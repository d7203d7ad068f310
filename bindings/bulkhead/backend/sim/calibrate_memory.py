"""Costs of frames that guests get and give back, and of the guests' own paging, from machines with a memory policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bulkhead.backend.sim.calibrate_machines import BATCH, NS, PAGE_WORK, SET_PAGES
from bulkhead.backend.sim.calibrate_view import View, follows
from bulkhead.base.schema import MARKS
from bulkhead.model.run import Run

FAULT, OPERATIONS = MARKS["page_fault"], MARKS["operations"]


def paging(runs: Mapping[str, Run], found: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Costs by name. `found` has those of marks."""
    call = found["mark"] + found["leave"] + found["glue"]
    used, thrash, paged = (View(runs[name]) for name in ("used", "thrash", "paged"))
    rounds = np.diff(used.records["time"][used.where("mark", "used", "operations")]) // NS
    per_mark = _between(used, "used")
    page = (int(np.median(rounds)) - call) // per_mark - PAGE_WORK
    fault, give, look, own = _thrashing(thrash, call)
    fault_own, give_own = round(fault * own), round(give * own)
    refusal, page_out = _refused(paged, call, PAGE_WORK + page, fault_own)
    yield from (("frame", fault - fault_own - found["leave"]), ("give", give - give_own))
    yield from (("fault_own", fault_own), ("give_own", give_own), ("page", page), ("look", look))
    yield from (("refusal", refusal - page_out - fault_own - found["leave"]), ("page_out", page_out))


def _between(view: View, guest: str) -> int:
    """Operations between two of a guest's marks."""
    values = view.records["b"][view.where("mark", guest, "operations")].astype(np.int64)
    return int(values[1] - values[0])


def _thrashing(view: View, call: int) -> tuple[int, int, int, float]:
    """Instructions for a page that gets a frame, for a frame given back, for a page that has one; the guest's part of them."""
    times = view.records["time"]
    faults = np.diff(times[view.where("mark", "thrash", "page_fault")]) // NS
    fault = view.median("frames", faults * NS) - call
    give = view.gap("frames given back", view.where("memory_release", "thrash"), follows("memory_release"))
    whole = view.median("rounds", np.diff(times[view.where("mark", "thrash", "operations")]))
    looks = max(0, whole - BATCH * (fault + call + give) - call)
    row = view.run.landmark.ledger["thrash"]
    marks = view.run.select("mark", "thrash")
    every = int(marks["b"][marks["a"] == OPERATIONS][-1])
    own = row.guest_ns / NS / every - looks
    return fault, give, round(looks / (SET_PAGES - BATCH)), own / (BATCH * (fault + give))


def _refused(view: View, call: int, operation: int, fault_own: int) -> tuple[int, int]:
    """Instructions for a page that gets another's frame, and of these the guest's own search for that."""
    marks = view.records[view.where("mark", "paged")]
    ends = np.flatnonzero(marks["a"] == OPERATIONS)
    first, last = marks[ends[0]], marks[ends[-1]]
    faults = int((marks["a"][ends[0] : ends[-1]] == FAULT).sum())
    done = int(last["b"]) - int(first["b"])
    took = (int(last["time"]) - int(first["time"])) // NS
    each = (took - done * operation - (faults + len(ends) - 1) * call) // faults
    row, everything = view.run.landmark.ledger["paged"], view.run.select("mark", "paged")
    operations = int(everything["b"][everything["a"] == OPERATIONS][-1])
    own = row.guest_ns // NS - operations * operation
    return each, max(0, own // int((everything["a"] == FAULT).sum()) - fault_own)
