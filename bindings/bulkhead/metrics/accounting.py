"""Where every nanosecond of every pCPU went, from the hypervisor's own ledger and from the trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.intervals import Intervals
from bulkhead.metrics.trace import Window
from bulkhead.model.landmark import DomainLedger, PcpuLedger


@dataclass(frozen=True)
class LedgerRow:
    """A domain's pCPU time. `share` is of all pCPU time, so the shares of all rows add up to 1."""

    name: str
    guest_ns: int
    hypervisor_ns: int
    share: float


@dataclass(frozen=True)
class CapacityLost:
    """pCPU time that served no domain although a vCPU may have been runnable [ns], and its part of all pCPU time."""

    idle_while_runnable_ns: int
    hypervisor_ns: int  # on behalf of named domains, and unbilled
    share: float


def wall(pcpus: Iterable[PcpuLedger]) -> int:
    """All pCPU time that the ledger covers [ns]."""
    return sum(pcpu.end - pcpu.start for pcpu in pcpus)


def accounting_skew(pcpus: Iterable[PcpuLedger]) -> int:
    """Sum over pCPUs of |wall - (guest + hypervisor + idle + unbilled)| [ns]; 0 in a correct hypervisor."""
    return sum(abs(p.end - p.start - p.guest_ns - p.hypervisor_ns - p.idle_ns - p.unbilled_ns) for p in pcpus)


def domain_skew(pcpus: Iterable[PcpuLedger], domains: Iterable[DomainLedger]) -> int:
    """Time that all pCPUs billed to guests less the time billed to all domains [ns]; 0 if the two halves of the ledger agree."""
    billed = sum(p.guest_ns + p.hypervisor_ns for p in pcpus)
    return billed - sum(d.guest_ns + d.hypervisor_ns for d in domains)


def ledger_unbilled_share(pcpus: Iterable[PcpuLedger]) -> float:
    """Unbilled time as a fraction of all pCPU time (0..1)."""
    pcpus = tuple(pcpus)
    whole = wall(pcpus)
    return sum(pcpu.unbilled_ns for pcpu in pcpus) / whole if whole else 0.0


def ledger_table(pcpus: Iterable[PcpuLedger], domains: Iterable[DomainLedger]) -> list[LedgerRow]:
    """One row for each domain, then `idle`, then `unbilled`."""
    pcpus = tuple(pcpus)
    whole = wall(pcpus) or 1
    rows = [
        LedgerRow(d.name, d.guest_ns, d.hypervisor_ns, (d.guest_ns + d.hypervisor_ns) / whole)
        for d in domains
    ]
    idle = sum(pcpu.idle_ns for pcpu in pcpus)
    unbilled = sum(pcpu.unbilled_ns for pcpu in pcpus)
    return [
        *rows,
        LedgerRow("idle", 0, 0, idle / whole),
        LedgerRow("unbilled", 0, unbilled, unbilled / whole),
    ]


def idle_while_runnable(idle: Intervals, run: Intervals, runnable: Intervals, window: Window) -> int:
    """pCPU time [ns] idled while vCPUs waited: the integral of min(idle pCPUs, runnable vCPUs that do not run).

    Affinity is not looked at, so with pinned vCPUs this is an upper bound.
    """
    groups = [intervals.clip(window) for intervals in (idle, run, runnable)]
    times = np.unique(np.concatenate([edge for group in groups for edge in (group.start, group.end)]))
    if len(times) < 2:
        return 0
    counts = []
    for group in groups:
        begun, over = (
            np.bincount(np.searchsorted(times, edge), minlength=len(times))
            for edge in (group.start, group.end)
        )
        counts.append(np.cumsum(begun - over)[:-1])
    idling, running, wanting = counts
    return int((np.minimum(idling, np.maximum(wanting - running, 0)) * np.diff(times)).sum())


def capacity_lost(idle_runnable_ns: int, pcpus: Iterable[PcpuLedger]) -> CapacityLost:
    """Idle while something was runnable, plus the hypervisor's time (billed or not)."""
    pcpus = tuple(pcpus)
    whole = wall(pcpus)
    hypervisor = sum(pcpu.hypervisor_ns + pcpu.unbilled_ns for pcpu in pcpus)
    return CapacityLost(
        idle_runnable_ns, hypervisor, (idle_runnable_ns + hypervisor) / whole if whole else 0.0
    )
