"""A guest that discards its whole disk without end: others keep their share of the pCPU and of the drive."""

from __future__ import annotations

import re

import pytest
from machines import BACKENDS, assert_sound, boot, said, workload
from victims import r_max_bound

from bulkhead import MIB, SECOND, Guest, GuestDisk, Policy, Run

FOR_MS = 400
LARGEST = 32 * 4096  # bytes that a discard clears at most: those of the largest write
RESULT = re.compile(r"RESULT name=disk answers=(\d+) failures=(\d+) p50_ns=(\d+) p99_ns=(\d+) ")
COMPUTED = re.compile(r"RESULT name=compute ops=(\d+) ")


def machine(attack: str) -> Run:
    """A guest that reads, one that computes, and the attacker beside them."""
    disks = (GuestDisk(2 * MIB),)
    guests: tuple[Guest, ...] = (
        workload(
            "disk", f"period_us=5000 depth=8 for_ms={FOR_MS}", name="reader", memory=8 * MIB, disks=disks
        ),
        workload("compute", f"for_ms={FOR_MS}", name="computes", memory=8 * MIB),
        workload(
            "disk_flood",
            f"{attack} depth=32 sequential=1 write=1 for_ms={FOR_MS}",
            name="attacker",
            memory=8 * MIB,
            disks=(GuestDisk(64 * MIB),),
        ),
    )
    return boot(*guests, ringctl=Policy("drr"), duration=SECOND)


def reader(run: Run) -> tuple[int, int]:
    """Answers, and the 99th percentile of their times [ns]."""
    found = RESULT.search(run.consoles["reader"])
    assert found and found[2] == "0", said(run)
    return int(found[1]), int(found[4])


def work(run: Run) -> int:
    found = COMPUTED.search(run.consoles["computes"])
    assert found, said(run)
    return int(found[1])


def test_discards_of_a_whole_disk_cost_others_no_more_than_writes() -> None:
    writes, discards = machine(f"bytes={LARGEST}"), machine("bytes=512 discard=1")
    for run in (writes, discards):
        assert run.exit_status == 0, said(run)
        assert_sound(run)
        assert run.landmark.r_max.ns <= r_max_bound(1)
    assert reader(discards)[0] >= reader(writes)[0] - 1
    assert reader(discards)[1] <= 1.3 * reader(writes)[1]  # a write of the attacker needs no seek
    assert work(discards) >= 0.98 * work(writes)
    # The policy hears of the bytes, and of the time for them.
    assert set(discards.select("ring_submit", "attacker")["b"].tolist()) == {512, LARGEST}
    times = discards.select("ring_complete", "attacker")["b"]
    assert int(times.max()) >= LARGEST * 1000 // 400


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tenant_that_discards_has_no_more_than_its_share(backend: str) -> None:
    guests = [
        workload(
            "disk",
            f"depth=8 for_ms={FOR_MS} {options}",
            name=name,
            memory=8 * MIB,
            disks=(GuestDisk(2 * MIB),),
        )
        for name, options in (("reads", ""), ("discards", "write=1 discard=1"))
    ]
    run = boot(*guests, backend=backend, ringctl=Policy("sfq"), duration=SECOND)
    assert run.exit_status == 0, said(run)
    assert_sound(run)
    assert set(run.select("ring_submit", "discards")["b"].tolist()) == {4096, LARGEST}
    reads, discards = (int(run.select("ring_complete", name)["b"].sum()) for name in ("reads", "discards"))
    assert discards == pytest.approx(reads, rel=0.05)
