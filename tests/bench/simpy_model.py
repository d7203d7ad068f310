"""The simulator's machine written again with SimPy, as one would: the yardstick of `bulkhead bench simulator`.

One pCPU, one queue with fixed slices, guests that work and sleep in turn, the hypervisor's costs as time that passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import simpy

POLICY = "round_robin"  # what `run` and `turn` do


class Vcpu:
    """Works for `work` ns, then sleeps for `sleep` ns, for ever."""

    def __init__(self, work: int, sleep: int) -> None:
        self.work, self.sleep, self.left = work, sleep, work
        self.guest_ns = self.hypervisor_ns = self.waiting_ns = self.run_ins = self.since = 0


class Model:
    """The machine. `costs` in ns, by the names of the simulator's own."""

    def __init__(self, vcpus: list[Vcpu], slice_ns: int, costs: Mapping[str, int]) -> None:
        self.env = simpy.Environment()
        self.vcpus, self.slice_ns, self.costs = vcpus, slice_ns, costs
        self.queue: deque[Vcpu] = deque(vcpus)
        self.expired: deque[Vcpu] = deque()
        self.decisions = self.idle_ns = 0
        self.halted: Any = None
        self.in_guest = False
        self.pcpu = self.env.process(self.run())

    def expire(self, vcpu: Vcpu) -> None:
        """A sleeping vCPU's timer."""
        self.expired.append(vcpu)
        if self.in_guest:
            self.in_guest = False
            self.pcpu.interrupt()
        elif self.halted is not None:
            self.halted.succeed()
            self.halted = None

    def spend(self, vcpu: Vcpu | None, *names: str) -> Iterator[Any]:
        """The hypervisor works."""
        took = sum(self.costs[name] for name in names)
        yield self.env.timeout(took)
        if vcpu is not None:
            vcpu.hypervisor_ns += took

    def timers(self) -> Iterator[Any]:
        """Wake everybody whose timer has expired."""
        while self.expired:
            vcpu = self.expired.popleft()
            yield from self.spend(vcpu, "fire")
            vcpu.since, vcpu.left = self.env.now, vcpu.work
            self.queue.append(vcpu)

    def halt(self) -> Iterator[Any]:
        """Nothing to do until a timer expires."""
        start = self.env.now
        if not self.expired:
            self.halted = self.env.event()
            yield self.halted
        self.idle_ns += self.env.now - start
        yield from self.spend(None, "idle_exit")
        yield from self.timers()

    def run(self) -> Iterator[Any]:
        """The pCPU."""
        while True:
            self.decisions += 1
            if not self.queue:
                yield from self.spend(None, "pick")
                yield from self.halt()
                continue
            vcpu = self.queue.popleft()
            yield from self.spend(vcpu, "pick", "resume", "load")
            vcpu.waiting_ns += self.env.now - vcpu.since
            vcpu.run_ins += 1
            yield from self.turn(vcpu, self.env.now + self.slice_ns)

    def turn(self, vcpu: Vcpu, end: int) -> Iterator[Any]:
        """One vCPU's time on the pCPU, with interruptions by others' timers."""
        while True:
            yield from self.spend(vcpu, "leave")
            start = self.env.now
            try:
                self.in_guest = not self.expired
                if self.in_guest:
                    yield self.env.timeout(min(vcpu.left, max(0, end - start)))
                self.in_guest = False
            except simpy.Interrupt:
                pass
            ran = self.env.now - start
            vcpu.left -= ran
            vcpu.guest_ns += ran
            if vcpu.left <= 0:
                yield from self.spend(vcpu, "wait", "timer", "stop")
                self.env.timeout(vcpu.sleep).callbacks.append(lambda _: self.expire(vcpu))
                return
            yield from self.spend(vcpu, "interrupt")
            yield from self.timers()
            if self.env.now >= end:
                yield from self.spend(vcpu, "stop")
                vcpu.since = self.env.now
                self.queue.append(vcpu)
                return
