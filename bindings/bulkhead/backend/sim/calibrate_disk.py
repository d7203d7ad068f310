"""Costs of block requests, from machines with one guest that reads its disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bulkhead.backend.sim.calibrate_machines import CHECK, LONG_PAGES
from bulkhead.backend.sim.calibrate_view import View, after, follows
from bulkhead.model.run import Run

SECTORS = 8  # of a page


def reading(runs: Mapping[str, Run], found: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Costs by name. `found` has those of marks."""
    sectors, pages, longs, busy = (View(runs[name]) for name in ("sectors", "pages", "longs", "busy"))
    call = found["mark"] + found["leave"] + found["glue"]
    take, long = _take(sectors, "sectors"), _take(longs, "longs")
    blocks = found["leave"] + CHECK + found["wait"] + found["stop"]
    answered = busy.where("mark", "busy", "operations")
    own = busy.gap("requests after answers", answered, follows("mark", "request_sent")) - call
    one, page, more = (_gap(view, "ring_complete", "wake") for view in (sectors, pages, longs))
    sector = (page - one) // (SECTORS - 1)
    yield from (("disk_take", take - found["leave"]), ("disk_segment", (long - take) // (LONG_PAGES - 1)))
    yield from (("disk_queue", _gap(busy, "ring_submit", "run_out") - blocks), ("disk_own", own))
    yield from (
        ("disk_next", _gap(busy, "ring_complete", "ring_request")),
        ("disk_done", _interrupt(sectors)),
    )
    yield from (("disk_answer", one - sector), ("disk_sector", sector))
    yield from (("disk_page", (more - page) // (LONG_PAGES - 1)), ("disk_rest", _rest(sectors)))


def _take(view: View, guest: str) -> int:
    """From the mark of a request until it is queued."""
    sent = view.where("mark", guest, "request_sent")
    return view.median("requests", after(view, sent, "ring_submit", ("event_send",)))


def _gap(view: View, first: str, second: str) -> int:
    return view.median(f"{first} before {second}", after(view, view.where(first), second))


def _interrupt(view: View) -> int:
    """From the instant at which the drive is done until it is known, beyond the end of a halt."""
    taken, done = view.where("ring_request"), view.where("ring_complete")
    first = int(view.records["time"][taken[0]])
    ends = done[view.records["time"][done] > first]
    count = min(len(taken), len(ends))
    times, service = view.records["time"].astype(np.int64), view.records["b"].astype(np.int64)
    late = times[ends[:count]] - times[taken[:count]] - service[ends[:count]]
    return view.median("completions", late) - view.median("timers", view.lateness("sectors"))


def _rest(view: View) -> int:
    """From a wake by the disk to the end of the halt, beyond that of a wake by a timer."""
    wakes = view.where("wake")
    by_disk = [i for i in wakes if i > 0 and i - 1 in set(view.where("ring_complete"))]
    by_timer = [i for i in wakes if i > 0 and i - 1 in set(view.where("timer_fire"))]
    gaps = [view.median("wakes", after(view, of, "idle_out")) for of in (by_disk, by_timer)]
    return gaps[0] - gaps[1]
