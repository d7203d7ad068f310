"""Scheduling policies written in Python, for the simulator: the contract of sched/contract.hpp, hook for hook."""

from __future__ import annotations

import enum
from typing import ClassVar, NamedTuple

from bulkhead import _core
from bulkhead.policy.python import Host, PythonPolicy

__all__ = ["Decision", "Domain", "Host", "Pcpu", "Scheduler", "Stop", "Vcpu"]

_STOPS = _core.enums["sched.Stop"]

Domain = _core.SchedDomain
Pcpu = _core.SchedPcpu
Vcpu = _core.SchedVcpu


class Stop(enum.IntEnum):
    """Why a vCPU stopped running, or left the queue. After the first three reasons the vCPU is still runnable."""

    SLICE_END = _STOPS["slice_end"]
    YIELDED = _STOPS["yielded"]
    PREEMPTED = _STOPS["preempted"]
    BLOCKED = _STOPS["blocked"]
    PAUSED = _STOPS["paused"]
    GONE = _STOPS["gone"]

    @property
    def still_runnable(self) -> bool:
        """Whether the vCPU is queued again."""
        return int(self) in _core.still_runnable


class Decision(NamedTuple):
    """The answer of `pick`: the vCPU that runs, and for how long [ns]. `None`: the pCPU idles until `slice_ns` has passed."""

    vcpu: Vcpu | None
    slice_ns: int


class Scheduler(PythonPolicy):
    """Base of a scheduler in Python. Derive, give it a `name`, write the hooks, and run it: `sched=Mine.spec(slice=1000)`.

    Hooks get the simulator's own objects: a `Vcpu` has `id`, `domain`, `last_pcpu`, `affinity`, `may_run_on(pcpu)`,
    `preferred`, `prefers(pcpu)`, a `Domain` has `id`, `weight`, `cap` [% of one pCPU], `vcpus`, `values`, a `Pcpu` has `id`.
    Each object takes any other attribute that the policy wants to keep with it. Times are whole nanoseconds.
    `self.host` has `pcpus`, `now()`, `random()` (64 bits from the run's seed), `kick(pcpu)` and `note(code, value)`;
    `self.values` has the effective parameters, `domain.values` those of a domain (`domain_parameters`).

    What a hook may rely on, and what `pick` may answer, is said in sched/contract.hpp. An exception in a hook ends the run.
    """

    kind: ClassVar[str] = "scheduler"
    required: ClassVar[tuple[str, ...]] = ("wake", "deschedule", "pick")
    honours_preferences: ClassVar[
        bool
    ] = False  # True: a vCPU runs on pCPUs that it prefers alone, if it prefers any

    def attach(self, vcpu: Vcpu) -> None:
        """A vCPU appears, not runnable."""

    def detach(self, vcpu: Vcpu) -> None:
        """A vCPU disappears, neither queued nor running; the policy must forget it."""

    def wake(self, vcpu: Vcpu, now: int) -> None:
        """A blocked vCPU is runnable from `now` on [ns]."""
        raise NotImplementedError

    def deschedule(self, vcpu: Vcpu, why: int, ran: int, now: int) -> None:
        """A vCPU stopped for a reason of `Stop`, having run for `ran` ns; or it left the queue (`ran` = 0)."""
        raise NotImplementedError

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        """The next vCPU of `pcpu` and its slice [ns, 50,000 to 1,000,000,000]; None: the pCPU idles until a kick."""
        raise NotImplementedError

    def charge(self, vcpu: Vcpu, amount: int) -> None:
        """The hypervisor worked `amount` ns for this vCPU while it was not running."""

    def tune(self, domain: Domain) -> None:
        """The weight or cap of a domain has changed."""
