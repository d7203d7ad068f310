"""What a run left behind: exit status, trace, ledger, consoles, versions. Read-only; drawn from by metrics and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bulkhead.spec import Machine

EXIT_TEXT = {
    0: "all guests powered off",
    2: "bad input",
    3: "a guest crashed",
    4: "the hypervisor panicked",
    5: "time over",
}


@dataclass(frozen=True)
class DomainLedger:
    """One domain's account. Times in nanoseconds."""

    name: str
    domain: int
    state: str  # alive or gone
    weight: int
    guest_ns: int
    hypervisor_ns: int
    waiting_ns: int
    blocked_ns: int
    hypercalls: int
    traps: int
    events_sent: int
    wakes: int
    run_ins: int
    frames_owned: int
    frames_peak: int
    shutdown_reason: int | None  # SHUTDOWN_*; None while it has not shut down
    console_bytes: int = 0  # printed
    copied_bytes: int = 0  # moved by its grant copies
    refreshed: int = 0  # ns since power-on: waiting_ns, blocked_ns, frames and bytes are as of then


@dataclass(frozen=True)
class PcpuLedger:
    """One pCPU's account in nanoseconds: guest + hypervisor + idle + unbilled = end - start."""

    start: int
    end: int
    guest_ns: int
    hypervisor_ns: int
    idle_ns: int
    unbilled_ns: int

    @property
    def wall_ns(self) -> int:
        """Time the ledger covers."""
        return self.end - self.start

    @property
    def error_ns(self) -> int:
        """What the account fails to explain; zero in a correct hypervisor."""
        return self.wall_ns - self.guest_ns - self.hypervisor_ns - self.idle_ns - self.unbilled_ns


@dataclass(frozen=True)
class NonPreemptibleSection:
    """The longest non-preemptible section of the hypervisor (`R_max`)."""

    ns: int
    kind: str  # hypercall, trap, interrupt, dispatch, policy hook
    number: int
    domain: int
    pcpu: int


@dataclass(frozen=True)
class PolicyReport:
    """What became of one policy: effective parameters, ejection, cost."""

    kind: str  # scheduler, memory, ring
    name: str
    parameters: dict[str, int]
    ejected: str | None  # name of plugin::Fault, None if it served to the end
    ejected_hook: int
    ejected_at: int  # ns
    hook_calls: int
    hook_ns: int
    hook_max_ns: int


@dataclass(frozen=True)
class Landmark:
    """The hypervisor's own summary of the run."""

    state: str  # booting, running, finished, panicked
    exit_status: int
    message: str
    clock_hz: int
    clock_origin: int  # the time-stamp counter at real time 0, so that what guests read of it can be placed in the trace
    now: int
    seed: int
    ram_frames: int
    free_frames: int
    free_frames_at_boot: int
    audit_runs: int
    audit_failures: int
    ledger: dict[str, DomainLedger]
    pcpus: tuple[PcpuLedger, ...]
    r_max: NonPreemptibleSection
    policies: tuple[PolicyReport, ...]
    trace_written: tuple[int, ...]  # records per pCPU
    trace_lost: tuple[int, ...]
    started: int = 0  # ns since power-on at which all guests were built, 0 if they never were


@dataclass(frozen=True)
class Versions:
    """What the run was made with."""

    commit: str  # "unknown" outside a git checkout
    dirty: bool
    qemu: str
    compiler: str
    trace_schema: int


@dataclass(frozen=True)
class Run:
    """A finished run."""

    machine: Machine
    exit_status: int  # 0 all off, 2 bad input, 3 guest crashed, 4 panic, 5 time over
    trace: npt.NDArray[
        Any
    ]  # structured, fields of trace::Record, sorted by time (ties: by pCPU, then as written)
    trace_sha256: str  # over the written records of each pCPU's ring, pCPU by pCPU
    landmark: Landmark
    consoles: dict[
        str, str
    ]  # by guest name; the hypervisor's own lines under "bulkhead", domain 0's under "dom0"
    versions: Versions
    reproducible: bool  # False with KVM or without icount
    host_seconds: float  # how long it took on this computer; never part of a result
    lost_to: str | None = None  # why a run without a proper end stopped, e.g. "host timeout of 300 s"

    def domain_id(self, name: str) -> int:
        """Domain number of a guest; KeyError if it never existed."""
        return self.landmark.ledger[name].domain

    def select(self, event: str, domain: str | None = None, code: int | None = None) -> npt.NDArray[Any]:
        """Trace records of one event (name as in the trace schema), of one domain, with one value in field `a`."""
        from bulkhead.schema import event_number

        mask = self.trace["event"] == event_number(event)
        if domain is not None:
            mask &= self.trace["domain"] == self.domain_id(domain)
        if code is not None:
            mask &= self.trace["a"] == code
        selected: npt.NDArray[Any] = self.trace[np.asarray(mask)]
        return selected

    def _repr_html_(self) -> str:
        from bulkhead.html import run_html

        return run_html(self)
