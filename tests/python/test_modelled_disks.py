"""Modelled disks in the simulator: who pays for what."""

from __future__ import annotations

import pytest
from bulkhead import MIB, Costs, Disk, Guest, GuestDisk, Machine
from bulkhead.backend.sim import simulate


def test_the_end_of_a_request_is_billed_to_its_own_guest() -> None:
    """Flash ends a read before a write that came first. Here an end costs 10,000 instructions, and nothing else costs any."""
    disks = (GuestDisk(size=16 * MIB),)
    writer = Guest("writer", "workload:disk_flood", "depth=1 write=1", memory=4 * MIB, disks=disks)
    reader = Guest("reader", "workload:disk", "period_us=500", memory=4 * MIB, disks=disks)
    machine = Machine((writer, reader), disk=Disk.flash(program_us=40_000), duration=400_000_000)
    ledger = simulate(machine, costs=Costs({"disk_done": 10_000})).landmark.ledger
    assert ledger["reader"].disks.requests > 5 * ledger["writer"].disks.requests > 0
    for name in ("reader", "writer"):
        each = ledger[name].hypervisor_ns / ledger[name].disks.requests
        assert each == pytest.approx(40_000, rel=0.05), name
