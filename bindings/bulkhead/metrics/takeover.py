"""Faults that a change of schedulers in mid-run must not cause: a lost vCPU, a vCPU on two pCPUs, a stopped account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.intervals import Intervals
from bulkhead.metrics.trace import IntArray, Trace, Window, int64


def takeovers(trace: Trace, kind: int) -> IntArray:
    """When another policy of a kind (its number) took over [ns]; the one that the run began with is left out."""
    loads = trace.of("policy_load")
    return int64(loads["time"][loads["a"] == kind])[1:]


def spans(moments: IntArray, whole: Window) -> list[Window]:
    """The spans between takeovers: before the first, between two, and after the last."""
    edges = [whole.start, *(int(moment) for moment in moments), whole.end]
    return [Window(start, end) for start, end in zip(edges, edges[1:])]


def on_pcpus(run: Intervals, moments: IntArray) -> int:
    """How many vCPUs were on a pCPU at these instants, all together; at a takeover it must be none."""
    return sum(int(((run.start < moment) & (run.end > moment)).sum()) for moment in moments)


def twice_at_once(run: Intervals) -> int:
    """For how long [ns] some vCPU was on two pCPUs at once; 0 in a correct hypervisor."""
    key = run.domain << 16 | run.vcpu
    order = np.lexsort((run.start, key))
    key, start, end = key[order], run.start[order], run.end[order]
    reach = np.minimum(end[:-1], end[1:]) - start[1:]
    return int(reach[(key[1:] == key[:-1]) & (reach > 0)].sum())


@dataclass(frozen=True)
class Aftermath:
    """The fate of the vCPUs that were runnable when a policy took over."""

    wanted: int
    lost: int  # that still wanted to, and had not run, when the span ended
    longest_return: int  # until the last of the others ran [ns]


def aftermath(run: Intervals, runnable: Intervals, span: Window) -> Aftermath:
    """Follows every vCPU that wanted to run when the span began."""
    wanting = runnable.where((runnable.start <= span.start) & (runnable.end > span.start))
    lost, longest = 0, 0
    for domain, vcpu, until in zip(wanting.domain, wanting.vcpu, wanting.end):
        starts = run.of_vcpu(int(domain), int(vcpu)).start
        later = starts[starts >= span.start]
        first = int(later.min()) if len(later) else span.end
        if first < span.end:
            longest = max(longest, first - span.start)
        elif until >= span.end:  # it was not paused or destroyed meanwhile
            lost += 1
    return Aftermath(len(wanting), lost, longest)


def waiting_error(run: Intervals, runnable: Intervals, accounts: Mapping[int, int]) -> float:
    """How far the ledger's waiting time of any domain [ns, by domain] is from the trace's, as a part of the trace's length.

    An account that stopped, or began anew, at a takeover would miss what was waited before or after.
    """
    edges = [*run.start, *run.end, *runnable.start, *runnable.end]
    length = max(edges) - min(edges) if edges else 1
    errors = [
        abs(runnable.of_domain(domain).total - run.of_domain(domain).total - waited)
        for domain, waited in accounts.items()
    ]
    return max(errors, default=0) / int(length)


def shares_at(run: Intervals, window: Window, domain: int, width: int, pcpus: int) -> dict[int, float]:
    """A domain's part of all pCPU time in each `width` ns of the window, by the middle of each [ns from the window's start]."""
    own = run.of_domain(domain)
    found = {}
    for start in range(window.start, window.end - width + 1, width):
        inside = own.clip(Window(start, start + width)).total
        found[start - window.start + width // 2] = inside / (width * pcpus)
    return found
