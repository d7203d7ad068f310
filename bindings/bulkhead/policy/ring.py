"""Ring policies written in Python, for the simulator: the contract of ringctl/contract.hpp, hook for hook."""

from __future__ import annotations

from typing import ClassVar

from bulkhead import _core
from bulkhead.policy.python import PythonPolicy

Request = _core.Request
Ring = _core.Ring
RingDomain = _core.RingDomain


class RingPolicy(PythonPolicy):
    """Base of a ring policy in Python. Derive, give it a `name`, write the hooks, run it: `ringctl=Mine.spec()`.

    Hooks get the simulator's own objects: a `Request` has `ring`, `number`, `sector` (of 512 bytes), `bytes`, `write`,
    `operation` (read, write, send, receive, discard, flush, barrier), `arrived` [ns], `estimate` [ns of the device's time]
    and `parts` [requests that it counts as], a `Ring` has `number` and `domain`, a `RingDomain` has `id`, `weight`, `rings`,
    `values`. Each object takes any other attribute that the policy wants to keep with it. `self.depth` is the most requests
    that the device takes at a time; `self.host` has `now()`, `random()` (64 bits from the run's seed) and `note(code,
    value)`; `self.values` has the effective parameters, `domain.values` those of a domain. Times are whole nanoseconds.

    What a hook may rely on and what it may answer is said in ringctl/contract.hpp. An exception in a hook ends the run.
    """

    kind: ClassVar[str] = "ring"
    required: ClassVar[tuple[str, ...]] = ("enqueue", "next", "withdraw")
    depth: int

    def _tell(self, told: int) -> None:
        self.depth = told

    def attach(self, ring: Ring) -> None:
        """A ring appears, with no request."""

    def detach(self, ring: Ring) -> None:
        """A ring disappears, with nothing queued; the policy must forget it."""

    def enqueue(self, request: Request, now: int) -> None:
        """A request is queued."""
        raise NotImplementedError

    def next(self, now: int) -> Request | int | None:
        """The next request of the device: a queued one, or the instant [ns] at which to ask again, or None for no request."""
        raise NotImplementedError

    def complete(self, request: Request, service: int, now: int) -> None:
        """The device is done with a request, after `service` ns of its time; the policy must forget it."""

    def withdraw(self, request: Request) -> None:
        """A queued request goes with its ring; the policy must forget it."""
        raise NotImplementedError

    def tune(self, domain: RingDomain) -> None:
        """The weight of a domain has changed."""
