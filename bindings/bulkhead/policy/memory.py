"""Memory policies written in Python, for the simulator: the contract of memctl/contract.hpp, hook for hook."""

from __future__ import annotations

from typing import ClassVar

from bulkhead import _core
from bulkhead.policy.python import PythonPolicy

MemoryDomain = _core.MemoryDomain
MemoryHost = _core.MemoryHost


class MemoryPolicy(PythonPolicy):
    """Base of a memory policy in Python. Derive, give it a `name`, write the hooks, run it: `memctl=Mine.spec()`.

    Hooks get the simulator's own objects: a `MemoryDomain` has `id`, `weight`, `values`, and in frames of 4 KiB `least`,
    `most`, `has` and `target`, `ran` and `waited` [ns that its vCPUs have run, and waited for a pCPU, in all], and `missed`,
    the times it wanted a frame it did not have since the last rebalance. Its guest's word are `stalled` [ns] and `refaults`,
    its wait for pages that it had paged out since then, if it `is_measured`. `balloon` is settled, moving, stuck or absent.
    The object takes any other attribute that the policy wants to keep with it. `self.memory` has `frames` and `zones`, a
    list of (frames, free); `self.host` has `now()`, `random()` (64 bits from the run's seed) and `note(code, value)`;
    `self.values` has the effective parameters, `domain.values` those of a domain. Times are whole nanoseconds.

    What a hook may rely on and what it may answer is said in memctl/contract.hpp. An exception in a hook ends the run.
    """

    kind: ClassVar[str] = "memory"
    required: ClassVar[tuple[str, ...]] = ("admit", "choose", "rebalance")
    memory: MemoryHost

    def _tell(self, told: MemoryHost) -> None:
        self.memory = told

    def admit(self, domain: MemoryDomain) -> bool:
        """Whether the domain may be built."""
        raise NotImplementedError

    def depart(self, domain: MemoryDomain) -> None:
        """A domain disappears, also one that was not admitted; the policy must forget it."""

    def choose(self, domain: MemoryDomain, wanted: int) -> tuple[int, int] | None:
        """From which zone the domain gets how many frames, 1 to `wanted`; None for none now."""
        raise NotImplementedError

    def rebalance(self, domains: list[MemoryDomain], now: int) -> list[int]:
        """The target of each domain in frames, in the same order. A target of 0 is that of one that has just come."""
        raise NotImplementedError

    def sample(self, domain: MemoryDomain, looked_at: int, used: int, now: int) -> None:
        """Of so many frames taken at random, so many were used since then. A domain that ran for less than a ms keeps them."""

    def reclaim(self, domain: MemoryDomain, over: int, late: int) -> int:
        """How many of the `over` frames above its target are wanted by force, `late` ns after it was to give them back."""
        return 0

    def tune(self, domain: MemoryDomain) -> None:
        """The weight of a domain has changed."""
