"""Debian's kernel with its own block driver on a disk in the hypervisor."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said

from bulkhead import MIB, SECOND, GuestDisk, Policy, TimelineEntry
from bulkhead.linux.report import results

GIVEN_UP = "disabled for further use"
DEATH = 12.0  # seconds after the start: in the midst of writing


def test_it_writes_reads_back_and_makes_a_file_system(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(range(256)) * (16 * MIB // 256))
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    jobs = ("disk:4", "disk:1:4096", "ext4:20", "ext4:20:keep")
    guest = linux("linux", *jobs, image="disk", words="", disks=(GuestDisk(image=str(image)),))
    run = run_linux(guest, ringctl=Policy("drr"), seconds=90)
    assert_done(run, "linux", *jobs)
    assert GIVEN_UP not in run.consoles["linux"], said(run)
    first, *_ = results(run.consoles["linux"], "disk")
    assert (first["sectors"], first["cache"]) == (str(16 * MIB // 512), "write_back")
    assert all(row["given_up"] == "0" for row in results(run.consoles["linux"], "ext4") if "given_up" in row)
    assert len(run.select("ring_complete", "linux")) > 100
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before, "the run wrote to the image"
    assert_sound(run)


@pytest.mark.parametrize("device", ("model", "virtio"))
def test_the_next_run_finds_its_file_system(device: str, tmp_path: Path) -> None:
    """On a modelled disk whose contents are saved, and on a file that is the disk."""
    image = tmp_path / "image"
    image.write_bytes(bytes(16 * MIB))
    disk = GuestDisk(image=str(image), device=device, save=str(image) if device == "model" else None)
    for job in ("ext4:8", "ext4:8:keep"):
        run = run_linux(linux("linux", job, image="disk", disks=(disk,)), ringctl=Policy("drr"), seconds=90)
        assert_done(run, "linux", job)
        assert run.warnings == () and run.reproducible == (device == "model"), said(run)
        assert_sound(run)
    if tool := shutil.which("e2fsck", path="/usr/sbin:/sbin:/usr/bin"):
        check = subprocess.run([tool, "-f", "-n", str(image)], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout


def test_a_file_system_whose_guest_dies_in_mid_write_can_be_repaired(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(16 * MIB))
    disk = GuestDisk(image=str(image), save=str(image))
    writer = linux("writer", "ext4:300:sync", image="disk", disks=(disk,))
    death = TimelineEntry(round(DEATH * SECOND), "destroy", "writer")
    run = run_linux(writer, timeline=(death,), ringctl=Policy("drr"), seconds=DEATH + 0.1)
    assert results(run.consoles["writer"], "boot") and not results(run.consoles["writer"], "ext4"), said(run)
    writes = run.select("ring_submit", "writer")
    assert (
        int(writes["time"][-1]) > run.landmark.started + (DEATH - 0.1) * SECOND
    ), "it did not write when it died"
    repair = run_linux(linux("linux", "ext4:0:repair", image="disk", disks=(disk,)), seconds=90)
    assert_done(repair, "linux", "ext4:0:repair")
    found = results(repair.consoles["linux"], "ext4")[0]
    assert 0 < int(found["files"]) < 300 and found["given_up"] == "0", said(repair)
    for each in (run, repair):
        assert_sound(each)
