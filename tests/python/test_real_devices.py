"""Real devices before a machine starts: what the options mean, what QEMU is told, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead.backend.qemu.prepare import prepare
from bulkhead.backend.qemu.process import command
from bulkhead.backend.qemu.ram import Ram
from bulkhead.backend.qemu.real import real_words
from bulkhead.base.errors import SpecError
from bulkhead.cli import main
from bulkhead.cli.parse import parse_disk, parse_net

from bulkhead import MIB, Guest, GuestDisk, GuestNet, Machine


def machine(*disks: GuestDisk) -> Machine:
    return Machine((Guest("hog", "workload:cpu_hog", memory=8 * MIB, disks=disks),))


def virtio(file: Path, **changes: object) -> GuestDisk:
    return replace(GuestDisk(image=str(file), device="virtio"), **changes)


def refusal(wrong: Machine, backend: str = "qemu") -> str:
    with pytest.raises(SpecError) as error:
        prepare(wrong) if backend == "qemu" else wrong.run(backend=backend)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made = tmp_path / "a,b"  # a comma is QEMU's own
    made.write_bytes(bytes(1024))
    return made


def test_options_of_a_disk() -> None:
    assert parse_disk("x:virtio", "") == GuestDisk(image="x", device="virtio")
    assert parse_disk("x:virtio:ro", "") == GuestDisk(image="x", device="virtio", read_only=True)
    assert parse_disk("4M:ro", "") == GuestDisk(size=4 * MIB, read_only=True)


def test_options_of_an_interface() -> None:
    address = "00:16:3e:00:00:77"
    assert parse_net("lan:user", "") == GuestNet(uplink="user")
    assert parse_net(f"lan:user:{address}", "") == GuestNet(uplink="user", mac=address)
    assert parse_net(f"user:{address}", "") == GuestNet(switch="user", mac=address)


def networks(*nets: GuestNet) -> Machine:
    return Machine((Guest("hog", "workload:cpu_hog", memory=8 * MIB, nets=nets),))


def test_an_uplink() -> None:
    made = networks(GuestNet(uplink="user"), GuestNet(name="eth1", uplink="user"))
    prepare(made)
    assert real_words(made).count("-netdev") == 1
    assert "sleep=on" in " ".join(told(made)) and "sleep=off" in " ".join(told(networks(GuestNet())))
    two = networks(GuestNet(uplink="user"), GuestNet(switch="wan", name="eth1", uplink="user"))
    assert "networks lan and wan both reach outside; at most one can" in refusal(two)
    assert "uplink 'tap' is unknown; write user" in refusal(networks(GuestNet(uplink="tap")))
    assert "the simulator has no network" in refusal(made, "sim")


def told(machine: Machine) -> list[str]:
    with Ram(16 * MIB, None) as ram:
        return command(machine, "tcg", ram, (Path("hv"), Path("manifest")), Path("serial"))


def test_what_qemu_is_told(image: Path) -> None:
    made = machine(virtio(image), GuestDisk(MIB, name="xvdb"), virtio(image.parent / "c", name="xvdc"))
    words = real_words(made)
    nodes = [json.loads(words[i + 1]) for i, word in enumerate(words) if word == "-blockdev"]
    assert [node["file"]["filename"] for node in nodes] == [str(image), str(image.parent / "c")]
    devices = [words[i + 1] for i, word in enumerate(words) if word == "-device"]
    assert [device.split(",")[:3] for device in devices] == [
        ["virtio-blk-pci", "drive=disk4", "addr=0x4"],
        ["virtio-blk-pci", "drive=disk5", "addr=0x5"],
    ]
    for waits, disks in (("on", (virtio(image),)), ("off", (GuestDisk(MIB),))):
        said = told(machine(*disks))
        assert said[said.index("-icount") + 1].endswith(f",sleep={waits}")


def test_images_that_cannot_be_disks(tmp_path: Path, image: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 700)
    assert "does not exist" in refusal(machine(virtio(tmp_path / "none")))
    assert "has 700 bytes, which are not a whole number of sectors" in refusal(machine(virtio(short)))
    assert "cannot be written (for a disk that only reads, add :ro): Is a directory" in refusal(
        machine(virtio(tmp_path))
    )
    assert "is already that of another disk" in refusal(machine(virtio(image), virtio(image, name="xvdb")))
    both = machine(virtio(image, read_only=True), virtio(image, name="xvdb", read_only=True))
    prepare(both)
    assert "give its image" in refusal(machine(GuestDisk(MIB, device="virtio")))
    assert "device 'ide' is unknown; write model or virtio" in refusal(machine(virtio(image, device="ide")))
    many = tuple(virtio(image, name=f"xvd{letter}", read_only=True) for letter in "abcdefghijklm")
    guests = tuple(Guest(name, "workload:cpu_hog", memory=8 * MIB, disks=many) for name in ("one", "two"))
    assert "has 26 virtio disks; at most 24" in refusal(Machine(guests))
    assert "the simulator has no virtio devices" in refusal(machine(virtio(image)), "sim")


def test_an_image_that_nobody_may_write_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = Path(shutil.copy("/bin/sleep", tmp_path / "busy"))
    with busy.open("ab") as file:
        file.write(bytes(-busy.stat().st_size % 512))
    with subprocess.Popen(
        [busy, "100"]
    ) as running:  # a program that runs cannot be written, not even by root
        try:
            words = ["boot", "--guest", f"kernel=workload:cpu_hog,disk={busy}:virtio"]
            assert main(words) == 2
        finally:
            running.kill()
    said = capsys.readouterr().err.strip()
    assert "busy cannot be written" in said and "Text file busy" in said and "\n" not in said
