"""Reservations that are senseless are refused; those that add up to more than there is are doubted, in one line each.

Which policy reserves what follows from the names of its parameters for a domain: `budget` in every `period` is a server for
each vCPU, `length` from `start` on in every `period` a slot on `pcpu`, `reservation` requests per second of the drive, and
`min` MiB of memory, of `max` at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from bulkhead.backend.check import guest_frames
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.planner import Slot
from bulkhead.model.schedulability import Task, demand, first_overload, overlap, utilization
from bulkhead.model.timeline import absent_at_start
from bulkhead.policy.choose import choose
from bulkhead.policy.tables import KIND_OPTION, PolicyTable, domain_values

DOMAIN_0 = "domain 0"


def _given(machine: Machine, kind: str) -> tuple[PolicyTable | None, dict[str, dict[str, int]]]:
    """The policy of a kind, and the effective parameters of each guest by its name, domain 0's among a scheduler's."""
    spec = machine.policies[kind]
    if spec is None:
        return None, {}
    policy = choose(kind, spec).policy
    names = [parameter.name for parameter in policy.domain_parameters]
    if not names:
        return policy, {}
    given = {guest.name: getattr(guest, KIND_OPTION[kind]) for guest in machine.guests}
    if kind == "scheduler":
        given[DOMAIN_0] = machine.dom0_sched
    return policy, {
        whose: dict(zip(names, domain_values(policy, values, kind))) for whose, values in given.items()
    }


def check_reservations(machine: Machine) -> None:
    """SpecError for more than a whole period in every period."""
    _, given = _given(machine, "scheduler")
    for whose, values in given.items():
        for name in ("budget", "length"):
            if values.get(name, 0) > (period := values.get("period", 0)) > 0:
                where = whose if whose == DOMAIN_0 else f"guest {whose}"
                raise SpecError(
                    f"{where}: sched.{name}={values[name]} is above sched.period={period}; give the period at least"
                )


def contradiction(machine: Machine, kind: str) -> str:
    """Names a guest with a reservation above its own limit; empty if no guest has. A policy refuses that at first."""
    policy, given = _given(machine, kind)
    for whose, values in given.items():
        if policy is not None and values.get("min", 0) > (most := values.get("max", 0)) > 0:
            return (
                f"{policy.name}: min={values['min']} of {whose} is above max={most}; give the limit at least"
            )
    return ""


def reservation_doubts(machine: Machine) -> Iterator[str]:
    """What was reserved and cannot be had."""
    policy, given = _given(machine, "scheduler")
    if policy is not None and given:
        if {"budget", "period"} <= given[DOMAIN_0].keys():
            yield from _servers(machine, policy, given)
        if {"start", "length", "period", "pcpu"} <= given[DOMAIN_0].keys():
            yield from _slots(machine, policy, given)
    policy, given = _given(machine, "ring")
    if policy is not None:
        yield from _requests(machine, policy, given)
    policy, given = _given(machine, "memory")
    if policy is not None:
        yield from _frames(machine, policy, given)


def _servers(machine: Machine, policy: PolicyTable, given: dict[str, dict[str, int]]) -> Iterator[str]:
    """Servers that may use certain pCPUs only: together they have no more than those."""
    everywhere = (1 << machine.pcpus) - 1
    guests = {guest.name: guest for guest in machine.guests}
    masks = {name: guest.allowed & everywhere or everywhere for name, guest in guests.items()}
    tasks = {
        name: [Task(values["budget"], values["period"])] * (guests[name].vcpus if name in guests else 1)
        for name, values in given.items()
        if values["budget"]
    }
    for mask in sorted({everywhere, *masks.values()}, reverse=True):
        whose = [name for name in tasks if masks.get(name, everywhere) | mask == mask]
        asked = [task for name in whose for task in tasks[name]]
        if utilization(asked) <= (count := mask.bit_count()):
            continue
        window = _window(asked) if count == 1 else ""
        yield (
            f"{policy.name}: the reservations of {', '.join(whose)} add up to {float(utilization(asked)):.2f} of "
            f"{_pcpus(mask, everywhere)}{window}; ask for less, or give more pCPUs"
        )


def _window(tasks: list[Task]) -> str:
    """The shortest window that shows it, if there are few enough to look at."""
    try:
        window = first_overload(tasks)
    except SpecError:
        return ""
    return f", and want {demand(tasks, window)} us in a window of {window} us" if window is not None else ""


def _pcpus(mask: int, everywhere: int) -> str:
    if mask == everywhere:
        return f"{mask.bit_count()} pCPU{'s' if mask.bit_count() > 1 else ''}"
    numbers = [str(i) for i in range(mask.bit_length()) if mask >> i & 1]
    return f"pCPU{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _slots(machine: Machine, policy: PolicyTable, given: dict[str, dict[str, int]]) -> Iterator[str]:
    slots = {
        name: Slot(values["start"], values["length"], values["period"], values["pcpu"])
        for name, values in given.items()
        if values["length"]
    }
    affinities = {guest.name: guest.affinity for guest in machine.guests}
    for name, slot in slots.items():
        allowed = affinities.get(name)
        if slot.pcpu >= machine.pcpus:
            yield f"{policy.name}: {name} has its slot on pCPU {slot.pcpu}, which the machine does not have; it has none"
        elif allowed is not None and slot.pcpu not in allowed:
            yield f"{policy.name}: {name} has its slot on pCPU {slot.pcpu}, which its affinity does not allow"
    for (one, first), (other, second) in combinations(slots.items(), 2):
        if overlap(first, second):
            yield (
                f"{policy.name}: the slots of {one} and {other} on pCPU {first.pcpu} overlap; the one that ends first has "
                "that time"
            )


def _requests(machine: Machine, policy: PolicyTable, given: dict[str, dict[str, int]]) -> Iterator[str]:
    group_of = {guest.name: guest.group for guest in machine.guests}
    asked = {}
    for name, values in given.items():
        if values.get("reservation"):
            group = group_of[name]
            asked[name if group is None else f"group {group}"] = values["reservation"]
    most = 1_000_000 * machine.disk.channels // max(1, machine.disk.request_us)
    if sum(asked.values()) > most:
        yield (
            f"{policy.name}: the reservations of {', '.join(asked)} add up to {sum(asked.values())} requests per second; the "
            f"drive serves at most {most}"
        )


def _frames(machine: Machine, policy: PolicyTable, given: dict[str, dict[str, int]]) -> Iterator[str]:
    """Guests that the timeline creates later may never be there together, so only those of the start count."""
    absent = absent_at_start(machine)
    asked = {
        name: values["min"] for name, values in given.items() if values.get("min") and name not in absent
    }
    most = guest_frames(machine) * constant("page_bytes") // MIB
    if sum(asked.values()) > most:
        yield (
            f"{policy.name}: the reservations of {', '.join(asked)} add up to {sum(asked.values())} MiB; the machine has "
            f"{most} MiB for guests"
        )
