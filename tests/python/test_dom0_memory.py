"""Domain 0's memory comes from the guests that it has to build; one that is too small is refused before the start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bulkhead import Guest, Machine, SpecError
from bulkhead.backend.check import check_machine, check_memory, dom0_bytes
from bulkhead.base.units import MIB

GIB = 1 << 30
SMALL = tuple(Guest(f"g{i}", "workload:compute", memory=4 * MIB) for i in range(350))
LARGE = (Guest("large", "workload:compute", memory=16 * GIB),)


def machine(guests: tuple[Guest, ...], dom0: int = 0) -> Machine:
    return Machine(guests=guests, memory=20 * GIB, dom0_memory=dom0)


def test_it_grows_with_the_largest_guest_and_with_their_number() -> None:
    assert dom0_bytes(machine(SMALL[:1]), MIB) < 12 * MIB < dom0_bytes(machine(SMALL[:4]), MIB) < 16 * MIB
    assert dom0_bytes(machine(LARGE), 0) > 16 * GIB // 4096 * 8 + 8 * MIB
    assert dom0_bytes(machine(SMALL), 0) >= 48 * MIB
    for guests in (SMALL, LARGE):
        check_machine(machine(guests))


def test_one_that_is_too_small_is_refused_with_the_number() -> None:
    for guests, needed in ((SMALL, "63M"), (LARGE, "41M")):
        with pytest.raises(
            SpecError, match=f"domain 0: 24 MiB are too little .* write mem={needed} in --dom0"
        ):
            check_machine(machine(guests, 24 * MIB))
        check_machine(machine(guests, int(needed[:-1]) * MIB))
    with pytest.raises(SpecError, match="domain 0: 10 MiB"):
        check_memory(machine(SMALL[:1], 10 * MIB), 4 * MIB)  # the manifest is known only later


def test_the_machine_needs_room_for_it() -> None:
    fits = next(size for size in range(1000, 4000) if not refuses(replace(machine(SMALL), memory=size * MIB)))
    assert refuses(replace(machine(SMALL), memory=fits * MIB, dom0_memory=128 * MIB))


def refuses(one: Machine) -> bool:
    try:
        check_memory(one)
    except SpecError:
        return True
    return False
