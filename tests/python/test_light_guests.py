"""A light guest with one vCPU has its weight's part of several pCPUs, beside one that can use them all and one that cannot."""

from __future__ import annotations

import pytest

from bulkhead import MIB, SECOND, Guest, Machine, Policy

EXACT = ("bvt", "credit", "credit2", "eevdf", "stride")
HEAVY, PCPUS = 256, 4


@pytest.mark.parametrize("weight", (1, 16, 64))
@pytest.mark.parametrize("sched", EXACT)
def test_a_light_guest_has_no_more_than_its_part(sched: str, weight: int) -> None:
    guests = (
        Guest("many", "workload:cpu_hog", "all_vcpus=1", memory=4 * MIB, vcpus=8, weight=HEAVY),
        Guest("one", "workload:cpu_hog", memory=4 * MIB, weight=HEAVY),
        Guest("light", "workload:cpu_hog", memory=4 * MIB, weight=weight),
    )
    machine = Machine(guests=guests, sched=Policy(sched), pcpus=PCPUS, duration=4 * SECOND)
    run = machine.run(backend="sim")
    used = {guest.name: run.landmark.ledger[guest.name].guest_ns / (4 * SECOND) for guest in guests}
    # A guest with one vCPU can use one pCPU at most; the others share the rest by weight.
    due = (PCPUS - 1) * weight / (HEAVY + weight)
    assert used["one"] == pytest.approx(1, abs=0.01)
    assert used["light"] == pytest.approx(due, abs=0.03)
