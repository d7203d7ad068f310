"""The hypervisor's own summary of a run: the billing ledger, what became of the policies, counts. Values, read-only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RingUse:
    """What the requests of a domain's rings came to, each counted when the device was done with it."""

    requests: int = 0
    bytes: int = 0
    waiting_ns: int = 0  # summed: from when a request was queued until the device took it
    throttled_ns: int = 0  # the part of it in which the device had room


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
    trace_lost: int = 0  # of its trace records
    withheld: int = 0  # 1/1000 of its time now, as it keeps memory that is wanted by force
    disks: RingUse = RingUse()
    networks: RingUse = RingUse()  # packets that it sent and received


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
        """Time that the account fails to explain; zero in a correct hypervisor."""
        return self.wall_ns - self.guest_ns - self.hypervisor_ns - self.idle_ns - self.unbilled_ns


@dataclass(frozen=True)
class NonPreemptibleSection:
    """A section of the hypervisor without a preemption point; the longest of a run is its `R_max`."""

    ns: int
    kind: str  # hypercall, trap, interrupt, dispatch, hook
    number: int
    domain: int
    pcpu: int


@dataclass(frozen=True)
class PolicyReport:
    """One policy of the run: effective parameters, ejection, cost."""

    kind: str  # scheduler, memory, ring
    name: str
    parameters: dict[str, int]
    ejected: str | None  # name of plugin::Fault, None if it served to the end
    hook: str | None  # in which it was ejected; None if it was not
    ejected_at: int  # ns
    hook_calls: int
    hook_ns: int
    hook_max_ns: int
    why: str | None = None  # it was ejected, in words


@dataclass(frozen=True)
class Landmark:
    """The hypervisor's own summary of the run."""

    state: str  # booting, running, finished, panicked
    exit_status: int
    message: str
    clock_hz: int
    # The time-stamp counter at real time 0, so that what guests read of it can be placed in the trace.
    clock_origin: int
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
    drains: int = 0  # how often the machine stood still for a full trace ring
    started: int = 0  # ns since power-on at which all guests were built, 0 if they never were


@dataclass(frozen=True)
class Versions:
    """The versions that the run was made with."""

    commit: str  # "unknown" outside a git checkout
    dirty: bool
    qemu: str
    compiler: str
    trace_schema: int
