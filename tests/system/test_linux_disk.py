"""Debian's kernel with its own block driver on a disk in the hypervisor."""

from __future__ import annotations

import hashlib
from pathlib import Path

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said

from bulkhead import MIB, GuestDisk, Policy
from bulkhead.linux.report import results

GIVEN_UP = "disabled for further use"


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
