"""Machines whose guests use a disk, or memory, for the tests of ring and memory policies."""

from __future__ import annotations

from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Paging

MILLISECOND = 1_000_000

DISKS = Machine(
    guests=(Guest("a", "model:disk", memory=4 * MIB), Guest("b", "model:disk_flood", memory=4 * MIB)),
    duration=100 * MILLISECOND,
    end_when_idle=False,
)
MEMORIES = Machine(
    guests=(
        Guest("a", "model:memory_hoard", memory=40 * MIB),
        Guest("b", "model:memory", "work_us=50", memory=8 * MIB),
    ),
    memory=108 * MIB,
    dom0_memory=32 * MIB,
    duration=300 * MILLISECOND,
    paging=Paging(zones=4),
    end_when_idle=False,
)
