"""Rotating disks and flash: both back ends take the same time for the same requests, since the models are one source."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Disk, GuestDisk, Policy, Run

KINDS = {
    "rotating": Disk.rotating(),
    "flash": Disk.flash(program_us=900),
    "flash that erases": Disk.flash(erase_us=2_000, erase_kib=64),
}
DISK = (GuestDisk(size=16 * MIB),)


def measured(disk: Disk, backend: str, duration_ms: int) -> tuple[Run, int, float]:
    """A run with a flood of writes and a guest that reads now and then, the requests served, and the median of its reads [ns]."""
    flood = workload("disk_flood", "depth=16 write=1", memory=8 * MIB, disks=DISK)
    reader = workload("disk", "period_us=2000", memory=8 * MIB, disks=DISK)
    duration = duration_ms * MILLISECOND
    run = boot(flood, reader, disk=disk, ringctl=Policy("drr"), duration=duration, backend=backend)
    served = run.select("ring_complete")
    inside = served["time"] > run.landmark.started + duration // 4
    of_reader = inside & (served["domain"] == run.domain_id("disk"))
    return run, int(np.count_nonzero(inside)), float(np.median(served["b"][of_reader]))


@pytest.mark.parametrize("kind", KINDS)
def test_both_back_ends_serve_as_much(kind: str) -> None:
    duration_ms = 2_000 if kind == "rotating" else 400
    here, there = (measured(KINDS[kind], backend, duration_ms) for backend in ("qemu", "sim"))
    assert_sound(here[0])
    assert here[1] > 50, said(here[0])
    # On each of eight channels the time until the next request comes counts.
    assert here[1] == pytest.approx(there[1], rel=0.03 if kind == "flash" else 0.02)
    assert here[2] == pytest.approx(there[2], rel=0.05)
