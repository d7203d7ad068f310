"""What a ring policy promises a domain in numbers: limits and reservations that hold within 3 % over a second.

A policy makes such a promise by a parameter of domains of one of these names: `limit` and `reservation` in requests per second,
`bandwidth` in KiB per second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bulkhead.backend.sim import simulate
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, GuestDisk, Policy
from bulkhead.policy.tables import PolicyTable
from bulkhead.testing.check.promises import Verdict

MS = 1_000_000
RUN_MS, SKIPPED_MS = 1_200, 200
SLACK = 0.03
REQUEST = 4096  # bytes
# The drive that the guests share serves some 2,400 random reads of 4 KiB per second.
FLOODS = 4
LIMITS = {
    "limit": (300, 300),
    "bandwidth": (1_200, 300),
}  # the parameter's value, requests per second that it allows
RESERVATION = 800  # more than a fifth of the drive


def _served(policy: Policy, floods: int, given: Mapping[str, int]) -> float:
    """Requests per second of a guest that always has 8 outstanding, with these parameters, beside floods."""
    disks = (GuestDisk(4 * MIB),)
    others = (
        Guest(f"flood{i}", "workload:disk", f"depth=8 bytes={REQUEST}", memory=8 * MIB, disks=disks)
        for i in range(floods)
    )
    subject = Guest(
        "subject",
        "workload:disk",
        f"depth=8 bytes={REQUEST}",
        memory=8 * MIB,
        disks=disks,
        ringctl=dict(given),
    )
    run = simulate(
        Machine(guests=(subject, *others), ringctl=policy, duration=RUN_MS * MS, end_when_idle=False)
    )
    done = run.select("ring_complete")
    late = done["time"] >= int(done["time"][-1]) - (RUN_MS - SKIPPED_MS) * MS
    return float((done["domain"][late] == run.domain_id("subject")).sum()) * 1e3 / (RUN_MS - SKIPPED_MS)


def _limit(policy: Policy, name: str) -> Verdict:
    value, allowed = LIMITS[name]
    alone, beside = (_served(policy, floods, {name: value}) for floods in (0, FLOODS))
    worst = max(alone, beside) / allowed - 1
    return Verdict(
        f"holds a domain's {name}, within {SLACK:.0%}",
        worst <= SLACK,
        f"{allowed}/s allowed, {alone:.0f}/s alone and {beside:.0f}/s beside {FLOODS} floods",
    )


def _reservation(policy: Policy) -> Verdict:
    found = _served(policy, FLOODS, {"reservation": RESERVATION})
    return Verdict(
        f"keeps a domain's reservation, within {SLACK:.0%}",
        found >= (1 - SLACK) * RESERVATION,
        f"{RESERVATION}/s reserved, {found:.0f}/s beside {FLOODS} floods",
    )


def promises(policy: Policy, table: PolicyTable) -> Iterator[Verdict]:
    """Those that the policy's parameters of domains make."""
    named = {parameter.name for parameter in table.domain_parameters}
    for name in LIMITS:
        if name in named:
            yield _limit(policy, name)
    if "reservation" in named:
        yield _reservation(policy)
