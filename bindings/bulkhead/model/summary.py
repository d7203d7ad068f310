"""A finished run in a few lines: why it ended, each domain's pCPU time, the hypervisor's cost."""

from __future__ import annotations

from collections.abc import Iterator

from bulkhead.base.schema import enum_name
from bulkhead.base.text import format_ns
from bulkhead.model.landmark import DomainLedger, Landmark

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


def account_lines(mark: Landmark, end: str, most: int | None = None) -> Iterator[str]:
    """One line for the end, one for each domain (the busiest, if there are more than `most`), one for the machine."""
    yield f"{end} after {format_ns(mark.now)}{'; ' + mark.message if mark.message else ''}"
    wall = sum(pcpu.wall_ns for pcpu in mark.pcpus) or 1
    rows = list(mark.ledger.values())
    if most is not None and len(rows) > most:
        busiest = sorted(rows, key=lambda row: -(row.guest_ns + row.hypervisor_ns))[:most]
        rows = [row for row in rows if row in busiest]
    for entry in rows:
        share, cost = 100 * entry.guest_ns / wall, 100 * entry.hypervisor_ns / wall
        yield (
            f"   {entry.name:15} {_fate(entry):12} cpu {share:6.2f} %  hypervisor for it {cost:6.3f} %"
            f"  waited {format_ns(entry.waiting_ns)}"
        )
    if len(rows) < len(mark.ledger):
        yield f"   {len(mark.ledger) - len(rows)} domains more"
    idle, unbilled, error = (
        sum(getattr(pcpu, name) for pcpu in mark.pcpus) for name in ("idle_ns", "unbilled_ns", "error_ns")
    )
    yield (
        f"   idle {100 * idle / wall:.2f} %, unbilled {100 * unbilled / wall:.3f} %, ledger off by {error} ns, "
        f"R_max {format_ns(mark.r_max.ns)} ({mark.r_max.kind} {mark.r_max.number})"
    )
