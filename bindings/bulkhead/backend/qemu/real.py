"""Devices of a machine that are real: what is wrong with their files, and what QEMU is told of them."""

from __future__ import annotations

import json
from pathlib import Path

from bulkhead.backend.check import SECTOR
from bulkhead.base.errors import SpecError
from bulkhead.model.machine import Machine

FIRST_SLOT = 4  # of the PCI bus; QEMU's own devices have the lower ones
MOST_DISKS = 24
UPLINK_SLOT = FIRST_SLOT + MOST_DISKS
# Addresses for guests are 10.0.0.HOST, as the small guests have them; this computer is 10.0.0.254.
USER_NETWORK = "net=10.0.0.0/24,host=10.0.0.254,dns=10.0.0.253,dhcpstart=10.0.0.200"


def disk_slots(machine: Machine) -> list[int]:
    """Where each real disk's device is on the PCI bus, in the order of the machine's disks."""
    return [FIRST_SLOT + number for number in range(len(machine.real_disks))]


def check_real_disks(machine: Machine) -> None:
    """SpecError if an image is not one that QEMU can use as a disk."""
    writable: dict[Path, bool] = {}  # of the images seen so far
    for guest, disk in machine.real_disks:
        what, file = f"guest {guest}: disk {disk.name}", Path(disk.image or "")
        try:
            with file.open("rb" if disk.read_only else "r+b") as opened:
                size = opened.seek(0, 2)
        except FileNotFoundError:
            raise SpecError(f"{what}: file {file} does not exist; give the path of an existing one") from None
        except OSError as error:
            purpose = "read" if disk.read_only else "written (for a disk that only reads, add :ro)"
            raise SpecError(f"{what}: {file} cannot be {purpose}: {error.strerror}") from None
        if size == 0 or size % SECTOR:
            raise SpecError(
                f"{what}: {file} has {size} bytes, which are not a whole number of sectors of {SECTOR} bytes"
            )
        if (same := writable.get(file.resolve())) is not None and (same or not disk.read_only):
            raise SpecError(f"{what}: {file} is already that of another disk; give it a file of its own")
        writable[file.resolve()] = not disk.read_only
    if len(machine.real_disks) > MOST_DISKS:
        raise SpecError(
            f"the machine has {len(machine.real_disks)} virtio disks; at most {MOST_DISKS} are supported"
        )


def file_node(file: str) -> dict[str, object]:
    """QEMU's description of a disk's file."""
    return {"driver": "file", "filename": file}


def check_uplink(machine: Machine) -> None:
    """SpecError if more than one network reaches outside."""
    names = list(dict.fromkeys(net.switch for _, net in machine.uplinks))
    if len(names) > 1:
        raise SpecError(f"networks {names[0]} and {names[1]} both reach outside; at most one can")


def real_words(machine: Machine) -> list[str]:
    """Words of QEMU's command for the machine's real devices."""
    words = []
    for (_, disk), slot in zip(machine.real_disks, disk_slots(machine)):
        name = f"disk{slot}"
        file = file_node(str(Path(disk.image or "").absolute()))
        node = {"driver": "raw", "node-name": name, "read-only": disk.read_only, "file": file}
        words += ["-blockdev", json.dumps(node)]
        device = f"virtio-blk-pci,drive={name},addr={slot:#x},disable-modern=on,disable-legacy=off"
        words += [
            "-device",
            f"{device},werror=report,rerror=report",
        ]  # or a full file system stops the machine
    if machine.uplinks:
        words += ["-netdev", f"user,id=outside,{USER_NETWORK}"]
        device = f"virtio-net-pci,netdev=outside,addr={UPLINK_SLOT:#x},disable-modern=on,disable-legacy=off"
        words += ["-device", f"{device},romfile="]
    return words
