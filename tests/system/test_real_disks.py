"""Virtio disks: what a guest has flushed survives the hardest end, the ring policy sees each request, and no guest that goes
with requests at the device leaves anything behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from bulkhead.backend.qemu import real
from bulkhead.backend.qemu.booted import Booted
from bulkhead.base import paths
from bulkhead.model.options import RunOptions
from machines import MILLISECOND, assert_sound, boot, said, scheduler, workload

from bulkhead import MIB, SECOND, Disk, Guest, GuestDisk, Machine, Policy, Run, TimelineEntry


def image(folder: Path, size: int = 2 * MIB) -> str:
    """A blank file that can be a disk."""
    made = folder / "image"
    made.write_bytes(bytes(size))
    return str(made)


def keeper(file: str, options: str) -> Guest:
    disk = GuestDisk(image=file, device="virtio")
    return workload("disk_keep", f"kib=512 {options}", name="keeper", memory=8 * MIB, disks=(disk,))


def end_hard(machine: Machine) -> None:
    """Kill QEMU as soon as the guest says that its data is flushed, while it writes on."""
    with Booted(machine, RunOptions()) as booted:
        while b"RESULT name=disk_keep" not in booted._serial.read_bytes():
            assert booted.follow(), booted.collect().consoles
        assert booted._process.poll() is None
        os.kill(booted._process._process.pid, signal.SIGKILL)
        while booted.follow():
            pass


def test_what_was_flushed_is_there_after_the_hardest_end(tmp_path: Path) -> None:
    file = image(tmp_path)
    end_hard(Machine((keeper(file, "seed=7 go_on=1"),), sched=scheduler(), duration=60 * SECOND))
    run = boot(keeper(file, "seed=7 write=0"), duration=10 * SECOND)
    assert_sound(run)
    assert "kib=512 wrong=0 sectors=4096" in run.consoles["keeper"], said(run)
    other = boot(keeper(file, "seed=8 write=0"), duration=10 * SECOND)
    assert "wrong=65536 " in other.consoles["keeper"], said(other)


def test_a_flush_reaches_the_file_and_its_failure_the_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(file: str) -> dict[str, object]:
        fault = {"event": "flush_to_disk", "errno": 28}  # no space
        return {"driver": "blkdebug", "image": {"driver": "file", "filename": file}, "inject-error": [fault]}

    monkeypatch.setattr(real, "file_node", failing)
    run = boot(keeper(image(tmp_path), ""), duration=10 * SECOND)
    assert "disk_keep: request 3 at sector 0 failed with status -1" in run.consoles["keeper"], said(run)
    assert_sound(run)


def test_the_ring_policy_sees_each_request_and_the_run_says_that_it_cannot_be_repeated(
    tmp_path: Path,
) -> None:
    run = boot(keeper(image(tmp_path), ""), ringctl=Policy("drr"), duration=10 * SECOND)
    assert_sound(run)
    assert not run.reproducible
    seen = {name: run.select(name, "keeper") for name in ("ring_submit", "ring_request", "ring_complete")}
    assert {name: len(found) for name, found in seen.items()} == dict.fromkeys(seen, 5), said(run)
    assert [int(size) for size in seen["ring_submit"]["b"]] == [128 << 10] * 4 + [0], "the last is the flush"
    assert run.landmark.ledger["keeper"].disks.bytes == 512 << 10


def test_a_limit_holds_on_a_real_disk(tmp_path: Path) -> None:
    disk = GuestDisk(image=image(tmp_path), device="virtio")
    flood = workload(
        "disk_flood", "depth=16 for_ms=500", memory=8 * MIB, disks=(disk,), ringctl={"rate": 200}
    )
    run = boot(flood, ringctl=Policy("token_bucket", {"burst": 10}), duration=SECOND)
    assert_sound(run)
    taken = len(run.select("ring_request", "disk_flood"))
    assert 20 < taken <= 10 + 200 * 0.5 + 2, said(run)


def test_the_guest_tests_of_block_rings_pass_on_real_disks(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_bytes(bytes(MIB))
    disks = (
        GuestDisk(image=str(files[0]), device="virtio"),
        GuestDisk(image=str(files[1]), name="xvdb", read_only=True, device="virtio"),
    )
    for name in ("block_transfer", "block_reconnect", "block_misuse"):
        guest = Guest("test", str(paths.test_image()), f"test={name}", memory=32 * MIB, vcpus=2, disks=disks)
        run = boot(guest, duration=20 * SECOND, disk=Disk(depth=4), console_rate=0)
        assert f"VERDICT {name} success" in run.consoles["test"], said(run)
        assert_sound(run)


def test_guests_that_go_with_requests_at_the_device_leave_nothing_behind(tmp_path: Path) -> None:
    disk = GuestDisk(image=image(tmp_path), device="virtio")
    modelled = (GuestDisk(2 * MIB),)
    flood = workload("disk_flood", "bytes=65536 write=1 depth=8", name="flood", memory=8 * MIB, disks=(disk,))
    other = workload("disk", "depth=4 for_ms=300", name="other", memory=8 * MIB, disks=modelled)
    rounds = 5
    timeline = tuple(
        entry
        for i in range(rounds)
        for entry in (
            TimelineEntry((60 * i + 30) * MILLISECOND, "destroy", "flood"),
            TimelineEntry((60 * i + 45) * MILLISECOND, "create", "flood"),
            TimelineEntry((60 * i + 46) * MILLISECOND, "unpause", "flood"),
        )
    )
    run: Run = boot(other, flood, ringctl=Policy("drr"), timeline=timeline, duration=500 * MILLISECOND)
    assert_sound(run)
    assert len(run.select("domain_gone")) >= rounds, said(run)
    assert "failures=0" in run.consoles["other"], said(run)
    lives = {int(record["domain"]) for record in run.select("ring_complete")}
    assert len(lives) > rounds // 2, "too few of the flood's lives reached the disk"
