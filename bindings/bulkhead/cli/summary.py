"""Summary of a run: why it ended, each domain's pCPU time, the hypervisor's cost."""

from __future__ import annotations

from typing import TextIO

from bulkhead.base.schema import enum_name
from bulkhead.base.text import format_ns
from bulkhead.model.landmark import DomainLedger
from bulkhead.model.run import EXIT_TEXT, Run
from bulkhead.study.explain import ejection_of

SHUTDOWN_TEXT = {
    "poweroff": "powered off",
    "reboot": "rebooted",
    "suspend": "suspended",
    "crash": "crashed",
    "watchdog": "watchdog",
    "soft_reset": "soft reset",
}


def _fate(entry: DomainLedger) -> str:
    if entry.shutdown_reason is None:
        return "running" if entry.state == "alive" else "destroyed"
    return SHUTDOWN_TEXT.get(
        enum_name("landmark.Shutdown", entry.shutdown_reason), f"shut down ({entry.shutdown_reason})"
    )


def print_summary(run: Run, out: TextIO) -> None:
    """One line for the end, one per domain, one for the machine."""
    mark = run.landmark
    reason = run.lost_to or EXIT_TEXT.get(run.exit_status, f"exit status {run.exit_status}")
    print(f"-- {reason} after {format_ns(mark.now)}{'; ' + mark.message if mark.message else ''}", file=out)
    wall = sum(pcpu.wall_ns for pcpu in mark.pcpus) or 1
    for entry in mark.ledger.values():
        share, cost = 100 * entry.guest_ns / wall, 100 * entry.hypervisor_ns / wall
        print(
            f"   {entry.name:15} {_fate(entry):12} cpu {share:6.2f} %  hypervisor for it {cost:6.3f} %"
            f"  waited {format_ns(entry.waiting_ns)}",
            file=out,
        )
    idle = sum(pcpu.idle_ns for pcpu in mark.pcpus)
    unbilled = sum(pcpu.unbilled_ns for pcpu in mark.pcpus)
    error = sum(pcpu.error_ns for pcpu in mark.pcpus)
    longest = f"{mark.r_max.kind} {mark.r_max.number}"
    print(
        f"   idle {100 * idle / wall:.2f} %, unbilled {100 * unbilled / wall:.3f} %, ledger off by {error} ns, "
        f"R_max {format_ns(mark.r_max.ns)} ({longest})",
        file=out,
    )
    for line in ejection_of(run):
        print(f"   {line}", file=out)
    lost = sum(mark.trace_lost)
    if lost:
        rows = sorted(mark.ledger.values(), key=lambda row: -row.trace_lost)
        most = f", {rows[0].trace_lost} of them of {rows[0].name}" if rows and rows[0].trace_lost else ""
        print(f"   the trace is incomplete: {lost} records did not fit and are lost{most}", file=out)
    print(f"   trace {run.trace_sha256}{'' if run.reproducible else ' (not reproducible)'}", file=out)
