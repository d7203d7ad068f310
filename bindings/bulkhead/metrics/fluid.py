"""The ideal that a scheduler is compared with: the capped, weighted fluid schedule (generalised processor sharing).

At each instant every runnable domain is served at a rate proportional to its weight, but no faster than its vCPUs and its
cap allow; what one cannot use goes to the others in the same proportion. Source: Parekh and Gallager, "A generalized
processor sharing approach to flow control", 1993; lag as in Stoica et al., "A proportional share resource allocation
algorithm", RTSS 1996.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bulkhead.metrics.intervals import Intervals
from bulkhead.metrics.trace import IntArray, Window

FloatArray = npt.NDArray[np.float64]


def entitled_shares(
    weights: Mapping[int, int], limits: Mapping[int, Fraction], capacity: Fraction | int
) -> dict[int, Fraction]:
    """Rate of each domain in pCPUs when `capacity` pCPUs are shared by weight and none exceeds its limit (water-filling).

    Domains are those of `limits`; a limit of 0 means that it wants nothing. The rates add up to the least of the capacity
    and the sum of the limits.
    """
    rates = {domain: Fraction(0) for domain in limits}
    left = Fraction(capacity)
    hungry = {domain for domain, limit in limits.items() if limit > 0}
    while hungry:
        level = left / sum(weights[domain] for domain in hungry)
        full = {domain for domain in hungry if limits[domain] <= level * weights[domain]}
        if not full:
            return rates | {domain: level * weights[domain] for domain in hungry}
        for domain in full:
            rates[domain] = Fraction(limits[domain])
            left -= rates[domain]
        hungry -= full
    return rates


def limit(vcpus: int, cap: int) -> Fraction:
    """The most that a domain can use, in pCPUs: its runnable vCPUs, or its cap (per cent of one pCPU, 0 for none)."""
    return min(Fraction(vcpus), Fraction(cap, 100)) if cap else Fraction(vcpus)


@dataclass(frozen=True)
class Fluid:
    """Entitled and received service of each domain at every instant where either changes pace.

    Both are cumulative since the window's start, in ns; between two instants both are linear. `entitled` is floating point
    (weights need not divide), `received` is exact.
    """

    times: IntArray
    entitled: Mapping[int, FloatArray]
    received: Mapping[int, IntArray]

    def lag(self, domain: int) -> FloatArray:
        """Entitled minus received at each instant [ns]: positive when the domain is behind its ideal."""
        return self.entitled[domain] - self.received[domain]

    def total(self, domain: int) -> tuple[float, int]:
        """Entitled and received over the whole window [ns]."""
        return float(self.entitled[domain][-1]), int(self.received[domain][-1])

    def largest_lag(self, domain: int) -> int:
        """Largest |lag| [ns], to the nearest ns. Lag is linear between instants, so no larger one is missed."""
        return round(float(np.abs(self.lag(domain)).max()))

    def progress_skew(self, domain: int) -> dict[str, int]:
        """Received minus entitled [ns]: its least, its greatest and its last value over the window."""
        skew = -self.lag(domain)
        return {
            "min": round(float(skew.min())),
            "max": round(float(skew.max())),
            "final": round(float(skew[-1])),
        }

    def lag_in_windows(self, domain: int, length: int) -> int | None:
        """Largest |entitled - received| [ns] within any sub-window of `length` ns; None if none fits.

        Against `length` this is the allocation error over the time scale looked at (Cherkasova et al., 2007).
        """
        first, last = int(self.times[0]), int(self.times[-1])
        if length <= 0 or length > last - first:
            return None
        starts = np.concatenate([self.times, self.times - length])
        starts = starts[(starts >= first) & (starts + length <= last)]
        lag = self.lag(domain)
        change = np.interp(starts + length, self.times, lag) - np.interp(starts, self.times, lag)
        return round(float(np.abs(change).max()))


def fluid_schedule(
    run: Intervals,
    runnable: Intervals,
    window: Window,
    weights: Mapping[int, int],
    caps: Mapping[int, int] | None = None,
    pcpus: int = 1,
) -> Fluid:
    """The fluid schedule over the window for the domains of `weights`, given when their vCPUs were really runnable.

    Capacity is all the machine's pCPU time: unbilled hypervisor time makes every runnable domain fall behind,
    and is to be read beside `capacity_lost`.
    """
    domains = sorted(weights)
    run, runnable = run.clip(window), runnable.clip(window)
    times = np.unique(
        np.concatenate([run.start, run.end, runnable.start, runnable.end, [window.start, window.end]])
    )
    wanting = np.stack([_count(runnable.of_domain(domain), times) for domain in domains])
    running = np.stack([_count(run.of_domain(domain), times) for domain in domains])
    rates = _rates(wanting, domains, weights, caps or {}, pcpus)
    lengths = np.diff(times)
    entitled = {
        domain: np.concatenate([[0.0], np.cumsum(rates[row] * lengths)]) for row, domain in enumerate(domains)
    }
    received = {
        domain: np.concatenate([[0], np.cumsum(running[row] * lengths)]).astype(np.int64)
        for row, domain in enumerate(domains)
    }
    return Fluid(times, entitled, received)


def _count(intervals: Intervals, times: IntArray) -> IntArray:
    """How many of the intervals cover each span between two of `times` (which include all their edges)."""
    begun, over = (
        np.bincount(np.searchsorted(times, edge), minlength=len(times))
        for edge in (intervals.start, intervals.end)
    )
    covered: IntArray = np.cumsum(begun - over)[:-1]
    return covered


def _distinct(columns: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct columns, and which of them each column is. A column is one number where that fits: sorting is dear."""
    base = int(columns.max(initial=0)) + 1
    if base ** len(columns) >= 1 << 62:
        sets, index = np.unique(columns, axis=1, return_inverse=True)
        return sets, index
    keys = np.zeros(columns.shape[1], dtype=np.int64)
    for row in columns:
        keys = keys * base + row
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    return columns[:, first], index


def _rates(
    wanting: IntArray, domains: list[int], weights: Mapping[int, int], caps: Mapping[int, int], pcpus: int
) -> FloatArray:
    """Fluid rate of each domain in each span; worked out once for each distinct set of runnable vCPUs."""
    sets, index = _distinct(wanting)
    table = np.zeros(sets.shape, dtype=np.float64)
    for column in range(sets.shape[1]):
        limits = {
            domain: limit(int(sets[row, column]), caps.get(domain, 0)) for row, domain in enumerate(domains)
        }
        shares = entitled_shares(weights, limits, pcpus)
        table[:, column] = [float(shares[domain]) for domain in domains]
    return table[:, index]
