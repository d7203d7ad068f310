"""What guests have written to modelled disks, in files after the run (`GuestDisk(save=...)`)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.backend.qemu.capture import inputs, interfaces
from bulkhead.backend.qemu.ram import Ram
from bulkhead.base.errors import SpecError
from bulkhead.base.layouts import layout
from bulkhead.model.machine import Machine
from bulkhead.model.spec import GuestDisk

PIECE = 1 << 20


def _disks(machine: Machine) -> list[tuple[str, GuestDisk]]:
    """All disks in the order of the manifest's table, each with what it is called in messages."""
    return [
        (f"guest {guest.name}: disk {disk.name}", disk) for guest in machine.guests for disk in guest.disks
    ]


def check_saved_disks(machine: Machine) -> None:
    """SpecError, one line, for contents that cannot be saved where they shall be."""
    owners = {
        Path(net.pcap).resolve(): f"guest {guest}: interface {net.name}"
        for guest, net in interfaces(machine)
        if net.pcap
    }
    known = inputs(machine)
    for what, disk in _disks(machine):
        if disk.save is None:
            continue
        if disk.is_real:
            raise SpecError(f"{what}: save: a virtio disk is its file already; leave save out")
        file = Path(disk.save)
        if not disk.save or (file.exists() and not file.is_file()) or not file.parent.is_dir():
            raise SpecError(f"{what}: save '{disk.save}': write the path of a file in a folder that exists")
        own = disk.image is not None and Path(disk.image).resolve() == file.resolve()
        if not own and (used := known.get(file.resolve())) is not None:
            raise SpecError(f"{what}: save {disk.save} is {used}; write the path of another file")
        if not _can_be_replaced(file.resolve()):
            raise SpecError(f"{what}: save {disk.save} cannot be written")
        if (same := owners.setdefault(file.resolve(), what)) != what:
            raise SpecError(f"{what}: save {disk.save} is already that of {same}; give it a file of its own")


def save_disks(machine: Machine, page: Any, ram: Ram) -> tuple[str, ...]:
    """Write the contents that are wanted; a file is whole or as it was before. A line for each that could not be written.

    `page` is the landmark's record of a machine that is over.
    """
    disks = _disks(machine)
    if all(disk.save is None for _, disk in disks):
        return ()
    where, contents = int(page["disks_physical"]), layout("landmark.DiskContents")
    if where == 0:
        return ("no disk was saved: the machine ended before it had disks",)
    places = np.frombuffer(ram.read(where, len(disks) * contents.itemsize), dtype=contents)
    failed = []
    for (what, disk), place in zip(disks, places):
        if disk.save is not None:
            try:
                _save(Path(disk.save), ram, int(place["physical"]), int(place["bytes"]))
            except OSError as error:
                failed.append(f"{what} was not saved: {disk.save} cannot be written: {error.strerror}")
    return tuple(failed)


def _can_be_replaced(file: Path) -> bool:
    if file.exists() and not os.access(file, os.W_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            return True
    except OSError:
        return False


def _save(path: Path, ram: Ram, place: int, size: int) -> None:
    path, unfinished = path.resolve(), None
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            unfinished = Path(file.name)
            for start in range(0, size, PIECE):
                piece = ram.read(place + start, min(PIECE, size - start))
                if piece.count(0) == len(piece):
                    file.seek(len(piece), os.SEEK_CUR)  # a hole
                else:
                    file.write(piece)
            file.truncate(size)
        unfinished.chmod(mode)
        unfinished.replace(path)
        unfinished = None
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
