"""Groups of guests that ring policies take for one domain: checks, and their numbers for the back ends."""

from __future__ import annotations

from collections.abc import Iterator

from bulkhead.base.errors import SpecError
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest


def _names(machine: Machine) -> Iterator[str]:
    return iter(dict.fromkeys(guest.group for guest in machine.guests if guest.group is not None))


def members(machine: Machine, name: str) -> tuple[Guest, ...]:
    """The guests of a group, in the machine's order."""
    return tuple(guest for guest in machine.guests if guest.group == name)


def group_number(machine: Machine, spec: Guest) -> int:
    """The number of a guest's group, from 1; 0 if it is of none."""
    return 0 if spec.group is None else 1 + list(_names(machine)).index(spec.group)


def check_groups(machine: Machine) -> None:
    """SpecError for a group whose guests do not share one weight and one set of the ring policy's parameters."""
    for name in _names(machine):
        first, *others = members(machine, name)
        if not name:
            raise SpecError(f"guest {first.name}: group is empty; write the name of a group of guests")
        for guest in others:
            what = f"guest {guest.name}: group={name}"
            if guest.weight != first.weight:
                raise SpecError(
                    f"{what}: its weight is {guest.weight}, that of {first.name} {first.weight}; give the group one weight"
                )
            if guest.ringctl != first.ringctl:
                raise SpecError(
                    f"{what}: its ringctl parameters are not those of {first.name}; give the group one set of them"
                )
