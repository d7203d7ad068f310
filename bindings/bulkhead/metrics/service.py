"""CPU time that domains received, exactly, from when their vCPUs ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bulkhead.metrics.intervals import Intervals
from bulkhead.metrics.trace import IntArray, Window


def received(run: Intervals, window: Window, domains: Iterable[int]) -> dict[int, int]:
    """Time in ns that each domain's vCPUs were on a pCPU inside the window; 0 for one that never ran."""
    inside = run.clip(window)
    return {domain: inside.of_domain(domain).total for domain in domains}


def shares(run: Intervals, window: Window, domains: Iterable[int], pcpus: int) -> dict[int, float]:
    """Time received as a fraction of the machine's pCPU time in the window (0..1)."""
    machine = window.length * pcpus
    return {
        domain: time / machine if machine else 0.0 for domain, time in received(run, window, domains).items()
    }


class ServiceCurve:
    """S(t): CPU time that a set of intervals has received up to `t`. Piecewise linear with integer slopes, so exact."""

    def __init__(self, run: Intervals, window: Window) -> None:
        inside = run.clip(window)
        edges = np.concatenate([inside.start, inside.end, [window.start, window.end]])
        steps = np.concatenate([np.ones(len(inside)), -np.ones(len(inside)), [0, 0]]).astype(np.int64)
        self.times, index = np.unique(edges, return_inverse=True)
        begun, over = (np.bincount(index[steps == step], minlength=len(self.times)) for step in (1, -1))
        self.slope = np.cumsum(begun - over)
        self.service = np.concatenate([[0], np.cumsum(self.slope[:-1] * np.diff(self.times))]).astype(
            np.int64
        )

    def at(self, times: IntArray) -> IntArray:
        """S at each of `times` [ns], which must lie inside the window (its end included)."""
        segment = np.searchsorted(self.times, times, side="right") - 1
        values: IntArray = self.service[segment] + self.slope[segment] * (times - self.times[segment])
        return values


def least_service(run: Intervals, window: Window, length: int) -> int | None:
    """Least CPU time [ns] in any sub-window of `length` ns: the supply a policy really gave, to compare with its bound.

    S(t + length) - S(t) is piecewise linear, so its least value is at an edge of either term. None if `length` does not fit.
    """
    if length > window.length or length < 0:
        return None
    curve = ServiceCurve(run, window)
    starts = np.concatenate([curve.times, curve.times - length])
    starts = starts[(starts >= window.start) & (starts + length <= window.end)]
    return int((curve.at(starts + length) - curve.at(starts)).min())


def longest_gap(run: Intervals, window: Window) -> int:
    """Longest time [ns] inside the window in which none of these intervals ran, for whatever reason (also sleep)."""
    inside = run.clip(window)
    order = np.argsort(inside.start, kind="stable")
    covered = np.maximum.accumulate(np.concatenate([[window.start], inside.end[order]]))
    following = np.concatenate([inside.start[order], [window.end]])
    return max(0, int((following - covered).max()))


def longest_wait(run: Intervals, runnable: Intervals, window: Window) -> int:
    """Longest time [ns] for which some vCPU wanted a pCPU and had none: starvation, without sleep.

    Taken per vCPU: within one of its `runnable` intervals, the longest part outside its `run` intervals.
    """
    wanted = runnable.clip(window)
    longest = 0
    for domain, vcpu in sorted(set(zip(wanted.domain.tolist(), wanted.vcpu.tolist()))):
        own = run.of_vcpu(domain, vcpu).clip(window)
        mine = wanted.of_vcpu(domain, vcpu)
        longest = max(longest, _longest_uncovered(own, mine))
    return longest


def _longest_uncovered(run: Intervals, wanted: Intervals) -> int:
    """Longest part of `wanted` outside `run`; both sorted and disjoint in themselves (one vCPU's)."""
    edges = np.concatenate([wanted.start, wanted.end, run.start, run.end])
    want = np.concatenate([np.ones(len(wanted)), -np.ones(len(wanted)), np.zeros(2 * len(run))]).astype(
        np.int64
    )
    have = np.concatenate([np.zeros(2 * len(wanted)), np.ones(len(run)), -np.ones(len(run))]).astype(np.int64)
    times, index = np.unique(edges, return_inverse=True)
    if len(times) < 2:
        return 0
    wants, has = np.zeros(len(times), dtype=np.int64), np.zeros(len(times), dtype=np.int64)
    np.add.at(wants, index, want)
    np.add.at(has, index, have)
    waiting = ((np.cumsum(wants) > 0) & (np.cumsum(has) == 0))[:-1]
    changes = np.diff(np.concatenate([[0], waiting.astype(np.int8), [0]]))
    begins, ends = times[np.flatnonzero(changes > 0)], times[np.flatnonzero(changes < 0)]
    return int((ends - begins).max()) if len(begins) else 0


def by_name(values: Mapping[int, float], names: Mapping[int, str]) -> dict[str, float]:
    """The same values under the domains' names."""
    return {names[domain]: value for domain, value in values.items()}
