"""The exemplars of memory and ring policies written a second time, in Python: oracles for the compiled ones."""

from __future__ import annotations

from bulkhead.policy.memory import MemoryDomain, MemoryPolicy
from bulkhead.policy.ring import Request, RingPolicy


class FirstFit(MemoryPolicy):
    """First come, first served, for good."""

    name = "first_fit"

    def start(self) -> None:
        self.left = self.memory.frames

    def admit(self, domain: MemoryDomain) -> bool:
        return domain.least <= self.left

    def rebalance(self, domains: list[MemoryDomain], now: int) -> list[int]:
        targets = [domain.target for domain in domains]
        self.left = self.memory.frames - sum(targets)
        for i, domain in enumerate(domains):
            if targets[i] == 0:
                targets[i] = min(domain.most, self.left)
                self.left -= targets[i]
        return targets

    def choose(self, domain: MemoryDomain, wanted: int) -> tuple[int, int] | None:
        for number, (_, free) in enumerate(self.memory.zones):
            if free > 0:
                return number, min(free, wanted)
        return None


class Fifo(RingPolicy):
    """The oldest request first."""

    name = "fifo"

    def start(self) -> None:
        self.queue: list[Request] = []

    def enqueue(self, request: Request, now: int) -> None:
        self.queue.append(request)

    def withdraw(self, request: Request) -> None:
        self.queue.remove(request)

    def next(self, now: int) -> Request | int | None:
        return self.queue.pop(0) if self.queue else None
