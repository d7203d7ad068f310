"""Delays between two instants of the trace, and their exact percentiles. Nothing is binned, sampled or interpolated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.trace import BoolArray, IntArray, Records, Trace, Window, int64


@dataclass(frozen=True)
class Delays:
    """Delays in ns, in the order in which they began, and how many began but never ended.

    A delay belongs to the window in which it began, so a request whose reply comes after the window's end still counts.
    """

    samples: IntArray
    unfinished: int


@dataclass(frozen=True)
class Summary:
    """Exact percentiles in ns. Never compare the maxima of two different counts.

    What never ended took longer than everything that did. So a percentile that falls among the unfinished is None, as is the
    maximum if anything is unfinished: leaving them out would flatter the policy with the fewest replies.
    """

    count: int
    unfinished: int
    min: int | None
    p50: int | None
    p99: int | None
    p999: int | None
    max: int | None


def nearest_rank(ordered: IntArray, permille: int, unfinished: int = 0) -> int | None:
    """The smallest sample that at least `permille`/1000 of all do not exceed; `ordered` ascends. None if that one never ended."""
    rank = max(1, -(-(len(ordered) + unfinished) * permille // 1000))
    return int(ordered[rank - 1]) if rank <= len(ordered) else None


def summarise(delays: Delays) -> Summary:
    """Count, extremes and nearest-rank percentiles."""
    ordered, unfinished = np.sort(delays.samples), delays.unfinished
    return Summary(
        count=len(ordered),
        unfinished=unfinished,
        min=int(ordered[0]) if len(ordered) else None,
        p50=nearest_rank(ordered, 500, unfinished),
        p99=nearest_rank(ordered, 990, unfinished),
        p999=nearest_rank(ordered, 999, unfinished),
        max=nearest_rank(ordered, 1000, unfinished),
    )


def wake_to_run(trace: Trace, window: Window, domain: int, vcpu: int | None = None) -> Delays:
    """From each `wake` in the window to the next `run_in` of the same vCPU: what the scheduler makes a woken vCPU wait.

    A second wake of a vCPU that has not run since the first one is part of the first wait.
    """
    records = trace.of("wake", "run_in")
    records = records[records["domain"] == domain]
    if vcpu is not None:
        records = records[records["vcpu"] == vcpu]
    records = records[np.argsort(records["vcpu"], kind="stable")]
    if not len(records):
        return Delays(np.zeros(0, dtype=np.int64), 0)
    woke: BoolArray = records["event"] == trace.number("wake")
    new_vcpu = np.ones(len(records), dtype=np.bool_)
    new_vcpu[1:] = records["vcpu"][1:] != records["vcpu"][:-1]
    after_run = np.ones(len(records), dtype=np.bool_)
    after_run[1:] = ~woke[:-1]
    begins = np.flatnonzero(woke & (after_run | new_vcpu))
    time = int64(records["time"])
    begins = begins[window.holds(time[begins])]
    runs = np.flatnonzero(~woke)
    following = np.searchsorted(runs, begins)
    found = following < len(runs)
    target = (
        runs[np.minimum(following, len(runs) - 1)] if len(runs) else np.zeros(len(begins), dtype=np.int64)
    )
    found &= records["vcpu"][target] == records["vcpu"][begins]
    return Delays(time[target[found]] - time[begins[found]], int((~found).sum()))


def pair_marks(first: Records, second: Records, window: Window) -> Delays:
    """From each `first` mark in the window to the `second` mark with the same value (a sequence number), which may follow late.

    Of several marks with one value the earliest counts. A `second` before its `first` is a broken pairing and counts as
    unfinished. With a sender that keeps its own schedule (open loop) a late reply does not hide the requests behind it.
    """
    begin_at, begin_value = _earliest(first)
    end_at, end_value = _earliest(second)
    chosen = window.holds(begin_at)
    begin_at, begin_value = begin_at[chosen], begin_value[chosen]
    if not len(end_value):
        return Delays(np.zeros(0, dtype=np.int64), len(begin_at))
    place = np.minimum(np.searchsorted(end_value, begin_value), len(end_value) - 1)
    found = (end_value[place] == begin_value) & (end_at[place] >= begin_at)
    delays = end_at[place][found] - begin_at[found]
    order = np.argsort(begin_at[found], kind="stable")
    return Delays(delays[order], int((~found).sum()))


def _earliest(marks: Records) -> tuple[IntArray, IntArray]:
    """Times and values of the earliest mark of each value, by ascending value."""
    values, index = np.unique(int64(marks["b"]), return_index=True)
    return int64(marks["time"])[index], values


def open_loop(deadlines: Records, sent: Records, replies: Records, window: Window) -> Delays:
    """From the instant a request was due (the value of the `deadlines` mark right before its `sent` mark) to its reply.

    A sender that was itself kept from running sends late; counted from the due time that wait is not hidden (coordinated
    omission). Due times are guest time, so the sender's clock must be in mode `real`.
    """
    at, number = int64(sent["time"]), int64(sent["b"])
    before = np.searchsorted(int64(deadlines["time"]), at, side="right") - 1
    known = before >= 0
    due = int64(deadlines["b"])[before[known]] if known.any() else np.zeros(0, dtype=np.int64)
    began = np.zeros(len(due), dtype=sent.dtype)
    began["time"], began["b"] = due, number[known]
    return pair_marks(began, replies, window)


def mark_values(marks: Records, window: Window) -> Delays:
    """Delays that a guest measured itself and reported as the values [ns] of its marks."""
    return Delays(int64(marks["b"])[window.holds(int64(marks["time"]))], 0)


def timer_lateness(trace: Trace, window: Window, domain: int) -> Delays:
    """How late each one-shot timer of the domain expired after its deadline, as the hypervisor recorded it."""
    records = trace.of("timer_fire")
    records = records[records["domain"] == domain]
    return Delays(int64(records["b"])[window.holds(int64(records["time"]))], 0)
