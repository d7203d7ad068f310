"""Machines that several system tests boot."""

from __future__ import annotations

from typing import Any

from bulkhead import GuestSpec, Machine, PolicySpec, Run
from bulkhead.policies import built_policies
from bulkhead.spec import MIB, SECOND

GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin"
MILLISECOND = SECOND // 1000
CRASHED = 3  # SHUTDOWN_crash
POWERED_OFF = 0  # SHUTDOWN_poweroff


def workload(kind: str, options: str = "", /, **changes: Any) -> GuestSpec:
    """A guest that runs a workload."""
    return GuestSpec(
        **{"name": kind, "kernel": f"workload:{kind}", "cmdline": options, "memory": 16 * MIB, **changes}
    )


def grub(name: str = "grub", **changes: Any) -> GuestSpec:
    """Debian's GRUB as a PV kernel."""
    return GuestSpec(**{"name": name, "kernel": GRUB, "memory": 64 * MIB, **changes})


def scheduler(preferred: str = "credit") -> PolicySpec:
    """A scheduler that shares the CPU fairly."""
    return PolicySpec(
        preferred if preferred in built_policies("scheduler") else min(built_policies("scheduler"))
    )


def boot(*guests: GuestSpec, **changes: Any) -> Run:
    """Boot these guests."""
    return Machine(**{"guests": guests, "sched": scheduler(), "duration": 300 * MILLISECOND, **changes}).run()


def share(run: Run, name: str) -> float:
    """A guest's part of all pCPU time."""
    wall = sum(pcpu.wall_ns for pcpu in run.landmark.pcpus)
    return run.landmark.ledger[name].guest_ns / wall


def said(run: Run) -> str:
    """Everything on the consoles, for a failed assertion's message."""
    return "".join(f"{name}| {line}\n" for name, text in run.consoles.items() for line in text.splitlines())


def assert_sound(run: Run) -> None:
    """What holds of every run: the ledger adds up, the audit found nothing, no frame is lost."""
    mark = run.landmark
    assert mark.state == "finished", said(run)
    assert run.lost_to is None
    for pcpu in mark.pcpus:
        assert pcpu.error_ns == 0
        assert pcpu.unbilled_ns <= 0.02 * pcpu.wall_ns
    billed = sum(entry.guest_ns for entry in mark.ledger.values())
    assert billed == sum(pcpu.guest_ns for pcpu in mark.pcpus)
    worked = sum(entry.hypervisor_ns for entry in mark.ledger.values())
    assert worked == sum(pcpu.hypervisor_ns for pcpu in mark.pcpus)
    assert mark.audit_failures == 0
    assert sum(mark.trace_lost) == 0
