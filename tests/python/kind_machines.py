"""Machines whose guests use a disk, or memory, for the tests of ring and memory policies."""

from __future__ import annotations

from bulkhead.spec import MIB, GuestSpec, Machine, Paging

MILLISECOND = 1_000_000

DISKS = Machine(
    guests=(GuestSpec("a", "model:disk", memory=4 * MIB), GuestSpec("b", "model:disk_flood", memory=4 * MIB)),
    duration=100 * MILLISECOND,
    end_when_idle=False,
)
MEMORIES = Machine(
    guests=(
        GuestSpec("a", "model:memory_hoard", memory=40 * MIB),
        GuestSpec("b", "model:memory", "work_us=50", memory=8 * MIB),
    ),
    memory=108 * MIB,
    duration=300 * MILLISECOND,
    paging=Paging(zones=4),
    end_when_idle=False,
)
