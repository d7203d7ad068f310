"""Machines that several system tests boot."""

from __future__ import annotations

from typing import Any

from bootstrap.build import build_dir
from bulkhead import MIB, SECOND, Guest, Machine, Policy, Run
from bulkhead.metrics import Schema, Trace, Window, run_intervals, shares
from bulkhead.policy.tables import built_policies

FAULTY = str(build_dir("release") / "faulty" / "misbehave.so")
GRUB, GRUB_32 = (f"/usr/lib/grub-xen/grub-{width}-xen.bin" for width in ("x86_64", "i386"))
MILLISECOND = SECOND // 1000
CRASHED = 3  # SHUTDOWN_crash
BACKENDS = ("qemu", "sim")  # the same policies in both worlds
SHORT = 80_000  # ns: a non-preemptible section may be so long on this machine's clock
SETTLE = 50 * MILLISECOND  # start-up of the guests
POWERED_OFF = 0  # SHUTDOWN_poweroff


def workload(kind: str, options: str = "", /, **changes: Any) -> Guest:
    """A guest that runs a workload."""
    values: dict[str, Any] = {"name": kind, "memory": 16 * MIB, **changes}
    return Guest(kernel=f"workload:{kind}", cmdline=options, **values)


def grub(name: str = "grub", **changes: Any) -> Guest:
    """Debian's GRUB as a PV kernel."""
    return Guest(name=name, kernel=GRUB, **changes)


def scheduler(preferred: str = "credit") -> Policy:
    """A scheduler that shares the CPU fairly."""
    return Policy(preferred if preferred in built_policies("scheduler") else min(built_policies("scheduler")))


def boot(*guests: Guest, backend: str = "qemu", **changes: Any) -> Run:
    """Boot these guests, or simulate them."""
    values: dict[str, Any] = {"sched": scheduler(), "duration": 300 * MILLISECOND, **changes}
    return Machine(guests=guests, **values).run(backend=backend)


def window(run: Run) -> Window:
    """From a little after the last guest began to run until the end."""
    began = int(run.select("domain_unpause")["time"].max())
    return Window(began + SETTLE, int(run.trace["time"][-1]))


def share(run: Run, name: str) -> float:
    """A guest's part of all pCPU time while all guests could run."""
    domain = run.domain_id(name)
    intervals = run_intervals(Trace(run.trace, Schema.built()))
    return shares(intervals, window(run), [domain], run.machine.pcpus)[domain]


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
    if mark.ram_frames:  # the simulator has none
        assert mark.audit_runs >= 1, "every run ends with an audit"
    assert mark.audit_failures == 0
    assert sum(mark.trace_lost) == 0
