"""Where vCPUs may run and had rather run, and sets of guests that start at one instant: checks, and numbers for the back ends."""

from __future__ import annotations

from collections.abc import Iterator

from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Placement
from bulkhead.model.timeline import absent_at_start


def _pcpus_of(spec: Guest) -> Iterator[tuple[str, object]]:
    """Each list of pCPUs, with what to call it."""
    yield "affinity", spec.affinity
    yield "preferred", spec.preferred
    for one in spec.placements:
        yield f"affinity of vCPU {one.vcpu}", one.affinity
        yield f"preferred of vCPU {one.vcpu}", one.preferred


def check_pcpus(what: str, given: object, pcpus: int) -> None:
    """SpecError unless `given` is None or a tuple of numbers of pCPUs."""
    if given is None:
        return
    if not isinstance(given, tuple) or not given:
        raise SpecError(f"{what} is empty; name a pCPU, or write None for all")
    for pcpu in given:
        if isinstance(pcpu, bool) or not isinstance(pcpu, int) or not 0 <= pcpu < pcpus:
            raise SpecError(f"{what}: the machine has no pCPU {pcpu}; its pCPUs are 0 to {pcpus - 1}")


def check_placement(spec: Guest, pcpus: int) -> None:
    """SpecError for pCPUs or vCPUs that do not exist, and for a preference for pCPUs that the affinity forbids."""
    what = f"guest {spec.name}"
    for one in spec.placements:
        if not isinstance(one, Placement):
            raise SpecError(f"{what}: placements: {one!r} is not a Placement")
        if isinstance(one.vcpu, bool) or not isinstance(one.vcpu, int) or not 0 <= one.vcpu < spec.vcpus:
            raise SpecError(
                f"{what}: affinity of vCPU {one.vcpu}: its vCPUs are 0 to {spec.vcpus - 1}; write vcpus="
            )
    numbers = [one.vcpu for one in spec.placements]
    if len(set(numbers)) != len(numbers):
        raise SpecError(f"{what}: placements: a vCPU is named twice")
    for name, given in _pcpus_of(spec):
        check_pcpus(f"{what}: {name}", given, pcpus)
    for vcpu in range(spec.vcpus):
        affinity, preferred = spec.masks(vcpu)
        if affinity and preferred and not affinity & preferred:
            raise SpecError(f"{what}: vCPU {vcpu} prefers only pCPUs that its affinity forbids")


def release_number(machine: Machine, spec: Guest) -> int:
    """The number of a guest's set, from 1; 0 if it is of none."""
    if spec.release is None:
        return 0
    return 1 + list(dict.fromkeys(one.release for one in machine.guests if one.release)).index(spec.release)


def check_releases(machine: Machine) -> None:
    """SpecError for a set whose guests could not start at one instant."""
    absent, most = absent_at_start(machine), constant("control.most_released")
    for name in dict.fromkeys(guest.release for guest in machine.guests if guest.release is not None):
        guests = [guest for guest in machine.guests if guest.release == name]
        if not name:
            raise SpecError(f"guest {guests[0].name}: release is empty; write the name of a set of guests")
        for guest in guests:
            what = f"guest {guest.name}: release={name}"
            if guest.start_paused or guest.name in absent:
                raise SpecError(f"{what}: the timeline starts this guest; leave one of the two out")
            if guest.start != guests[0].start:
                raise SpecError(f"{what}: its start is not that of {guests[0].name}; give the set one start")
        if (vcpus := sum(guest.vcpus for guest in guests)) > most:
            raise SpecError(f"release={name}: the set has {vcpus} vCPUs; at most {most} can start at once")
