"""Contents of modelled disks after the run: another run finds them, and so do tools of this computer."""

from __future__ import annotations

import stat
from pathlib import Path

from machines import assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestDisk, Machine
from bulkhead.backend.qemu.booted import Booted
from bulkhead.model.options import RunOptions

KIB = 512


def keeper(disk: GuestDisk, options: str, name: str = "keeper") -> Guest:
    return workload("disk_keep", f"kib={KIB} {options}", name=name, memory=8 * MIB, disks=(disk,))


def wrong(disk: GuestDisk, seed: int) -> int:
    """Words of the disk that are not those of the seed, as another run reads them."""
    run = boot(keeper(disk, f"seed={seed} write=0"), duration=10 * SECOND)
    assert_sound(run)
    line = next(line for line in run.consoles["keeper"].splitlines() if " wrong=" in line)
    return int(line.partition("wrong=")[2].split()[0])


def test_the_next_run_finds_what_this_one_wrote(tmp_path: Path) -> None:
    kept, other = tmp_path / "kept", tmp_path / "other"
    guests = (
        keeper(GuestDisk(size=2 * MIB, save=str(kept)), "seed=7"),
        keeper(GuestDisk(size=MIB), "seed=8", name="forgetful"),
        keeper(GuestDisk(size=MIB, save=str(other)), "seed=9", name="other"),
    )
    run = boot(*guests, duration=10 * SECOND)
    assert_sound(run)
    assert run.reproducible and run.warnings == (), said(run)
    assert sorted(tmp_path.iterdir()) == [kept, other]
    assert kept.stat().st_size == 2 * MIB and kept.read_bytes()[KIB << 10 :].count(0) == (2 * MIB) - (
        KIB << 10
    )
    assert wrong(GuestDisk(image=str(kept)), 7) == 0
    assert wrong(GuestDisk(image=str(other)), 9) == 0
    assert wrong(GuestDisk(image=str(kept)), 8) == (KIB << 10) // 8


def test_a_disk_may_be_written_back_to_its_own_image(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(MIB))
    image.chmod(0o640)
    (tmp_path / "link").symlink_to(image)
    through = GuestDisk(image=str(tmp_path / "link"), save=str(tmp_path / "link"))
    run = boot(keeper(through, "seed=3"), duration=10 * SECOND)
    assert_sound(run)
    assert (tmp_path / "link").is_symlink() and stat.S_IMODE(image.stat().st_mode) == 0o640
    assert wrong(GuestDisk(image=str(image)), 3) == 0


def test_the_run_is_the_same_with_a_saved_disk_and_without(tmp_path: Path) -> None:
    runs = [
        boot(keeper(GuestDisk(size=MIB, save=save), "seed=1"), duration=10 * SECOND)
        for save in (None, str(tmp_path / "saved"))
    ]
    assert runs[0].trace_sha256 == runs[1].trace_sha256


def test_a_run_is_kept_whose_disk_cannot_be_saved(tmp_path: Path) -> None:
    """The folder was there when the run began."""
    folder = tmp_path / "gone"
    folder.mkdir()
    disk = GuestDisk(size=MIB, save=str(folder / "file"))
    machine = Machine((keeper(disk, "seed=1"),), duration=10 * SECOND)
    with Booted(machine, RunOptions()) as booted:
        folder.rmdir()
        while booted.follow():
            pass
        run = booted.collect()
    assert len(run.trace) > 0
    assert run.warnings == (
        f"guest keeper: disk xvda was not saved: {folder / 'file'} cannot be written: No such file or directory",
    )
