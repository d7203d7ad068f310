"""Turns instants of the trace into intervals: when a vCPU ran, when it could have run, when a pCPU was idle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.trace import BoolArray, IntArray, Records, Trace, TraceError, Window, int64


@dataclass(frozen=True)
class Intervals:
    """Half-open intervals [start, end) of real time in ns, and whose they are. Parallel arrays."""

    start: IntArray
    end: IntArray
    domain: IntArray
    vcpu: IntArray
    pcpu: IntArray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def lengths(self) -> IntArray:
        """Length of each in ns."""
        difference: IntArray = self.end - self.start
        return difference

    @property
    def total(self) -> int:
        """Sum of the lengths in ns."""
        return int(self.lengths.sum())

    def where(self, chosen: BoolArray) -> Intervals:
        """The chosen ones."""
        return Intervals(
            self.start[chosen], self.end[chosen], self.domain[chosen], self.vcpu[chosen], self.pcpu[chosen]
        )

    def of_domain(self, domain: int) -> Intervals:
        """One domain's."""
        return self.where(self.domain == domain)

    def of_vcpu(self, domain: int, vcpu: int) -> Intervals:
        """One vCPU's."""
        return self.where((self.domain == domain) & (self.vcpu == vcpu))

    def clip(self, window: Window) -> Intervals:
        """Their parts inside the window; what is wholly outside is left out."""
        clipped = Intervals(
            np.maximum(self.start, window.start),
            np.minimum(self.end, window.end),
            self.domain,
            self.vcpu,
            self.pcpu,
        )
        return clipped.where(clipped.end > clipped.start)


def _paired(trace: Trace, opening: str, closing: str) -> Intervals:
    """Intervals between `opening` and `closing` records of a pCPU, which must alternate.

    One that was already open when the trace began starts with the trace; one still open at its end ends with it.
    """
    records = trace.of(opening, closing)
    records = records[np.argsort(records["pcpu"], kind="stable")]
    opens: BoolArray = records["event"] == trace.number(opening)
    pcpu = records["pcpu"]
    first = np.ones(len(records), dtype=np.bool_)
    first[1:] = pcpu[1:] != pcpu[:-1]
    last = np.ones(len(records), dtype=np.bool_)
    last[:-1] = first[1:]
    _require_alternation(records, opens, first, opening, closing)
    time = int64(records["time"])
    orphan = ~opens & first  # opened before the trace began
    closes_next = np.append(time[1:], trace.whole.end)
    end = np.where(opens, np.where(last, trace.whole.end, closes_next), time)
    start = np.where(opens, time, trace.whole.start)
    kept = opens | orphan
    return Intervals(
        start[kept],
        end[kept],
        int64(records["domain"])[kept],
        int64(records["vcpu"])[kept],
        int64(pcpu)[kept],
    )


def _require_alternation(
    records: Records, opens: BoolArray, first: BoolArray, opening: str, closing: str
) -> None:
    same = ~first[1:]
    repeated = same & (opens[1:] == opens[:-1])
    stranger = (
        same
        & ~opens[1:]
        & opens[:-1]
        & ((records["domain"][1:] != records["domain"][:-1]) | (records["vcpu"][1:] != records["vcpu"][:-1]))
    )
    wrong = np.flatnonzero(repeated | stranger)
    if len(wrong):
        record = records[wrong[0] + 1]
        raise TraceError(
            f"{opening} and {closing} do not alternate on pCPU {record['pcpu']} at {record['time']} ns"
        )


def run_intervals(trace: Trace) -> Intervals:
    """When each vCPU was on a pCPU: from `run_in` to the next `run_out` of that pCPU.

    The hypervisor's work on the vCPU's behalf is inside, as is any interrupt that was served meanwhile.
    """
    return _paired(trace, "run_in", "run_out")


def idle_intervals(trace: Trace) -> Intervals:
    """When each pCPU halted: from `idle_in` to `idle_out`."""
    return _paired(trace, "idle_in", "idle_out")


def runnable_intervals(trace: Trace) -> Intervals:
    """When each vCPU wanted a pCPU, whether it had one or not.

    An interval begins with `wake`. If the trace began later than the wake, it begins with `run_in` less the waiting time in
    that record. It ends with a `run_out` whose reason does not leave the vCPU runnable, or when the domain is paused, shut
    down or destroyed.
    `pcpu` is -1: wanting has no place.
    """
    single = trace.of("wake", "run_in", "run_out")
    keys = np.unique(int64(single["domain"]) << 16 | int64(single["vcpu"]))
    parts = [_runnable_of(trace, int(key) >> 16, int(key) & 0xFFFF) for key in keys]
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Intervals(nothing, nothing, nothing, nothing, nothing)
    return Intervals(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.domain for part in parts]),
        np.concatenate([part.vcpu for part in parts]),
        np.concatenate([part.pcpu for part in parts]),
    )


def _runnable_of(trace: Trace, domain: int, vcpu: int) -> Intervals:
    own = [trace.number(event) for event in ("wake", "run_in", "run_out")]
    ends = [
        trace.number(event) for event in ("domain_pause", "domain_shutdown", "domain_destroy", "domain_gone")
    ]
    records = trace.records
    of_vcpu = trace.events_in(own) & (records["vcpu"] == vcpu)
    mine = records[(records["domain"] == domain) & (of_vcpu | trace.events_in(ends))]
    event = mine["event"]
    out: BoolArray = event == trace.number("run_out")
    remains = out & np.isin(mine["a"], sorted(trace.schema.still_runnable))
    wants: BoolArray = (event == trace.number("wake")) | (event == trace.number("run_in")) | remains
    time = int64(mine["time"])
    whole = trace.whole
    if wants[0] and event[0] == trace.number("run_in"):
        time[0] = max(whole.start, int(time[0]) - int(mine["b"][0]))
    before = bool(out[0])  # a vCPU that stops first was running when the trace began
    changes = np.diff(np.concatenate([[before], wants]).astype(np.int8))
    starts, stops = time[changes > 0], time[changes < 0]
    if before:
        starts = np.concatenate([[whole.start], starts])
    if len(stops) < len(starts):
        stops = np.concatenate([stops, [whole.end]])
    count = len(starts)
    return Intervals(
        starts.astype(np.int64),
        stops.astype(np.int64),
        np.full(count, domain, dtype=np.int64),
        np.full(count, vcpu, dtype=np.int64),
        np.full(count, -1, dtype=np.int64),
    )
