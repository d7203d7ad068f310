"""Writes packets of the switch's ports to files for tcpdump and Wireshark, while the machine stands still (abi/capture.hpp)."""

from __future__ import annotations

import heapq
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bulkhead.backend.qemu.bell import Bells
from bulkhead.backend.qemu.manifest import WALL_CLOCK
from bulkhead.backend.qemu.ram import Ram
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.layouts import layout, part
from bulkhead.base.schema import constant
from bulkhead.base.units import SECOND
from bulkhead.model.machine import Machine
from bulkhead.model.spec import GuestNet

# https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html: times in ns, little-endian, Ethernet.
MAGIC, VERSION, LONGEST, ETHERNET = 0xA1B23C4D, (2, 4), 0x40000, 1


def interfaces(machine: Machine) -> list[tuple[str, GuestNet]]:
    """All interfaces in the order of the switch's ports, each with its guest's name."""
    return [(guest.name, net) for guest in machine.guests for net in guest.nets]


def inputs(machine: Machine) -> dict[Path, str]:
    """The files that the machine reads, with what each is."""
    found: dict[Path, str] = {}
    for guest in machine.guests:
        named = {f"the {part} of {guest.name}": getattr(guest, part) for part in ("kernel", "initrd")}
        named |= {f"disk {disk.name} of {guest.name}": disk.image for disk in guest.disks}
        found |= {Path(path).resolve(): what for what, path in named.items() if path}
    return found


def check_captures(machine: Machine, stands_still: bool) -> None:
    """SpecError, one line, for a capture that cannot be. The machine `stands_still` if its clock does with it."""
    owners: dict[Path, str] = {}
    known = inputs(machine)
    for guest, net in interfaces(machine):
        if net.pcap is None:
            continue
        what, file = f"guest {guest}: interface {net.name}", Path(net.pcap)
        if not stands_still:
            raise SpecError(
                f"{what}: pcap needs a clock that counts instructions, which KVM and --ns-per-instruction off have not"
            )
        if not net.pcap or file.is_dir() or not file.parent.is_dir():
            raise SpecError(f"{what}: pcap '{net.pcap}': write the path of a file in a folder that exists")
        if (used := known.get(file.resolve())) is not None:
            raise SpecError(f"{what}: pcap {net.pcap} is {used}; write the path of another file")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise SpecError(f"{what}: pcap {net.pcap} cannot be written")
        if (same := owners.setdefault(file.resolve(), what)) != what:
            raise SpecError(f"{what}: pcap {net.pcap} is already that of {same}; give it a file of its own")


@contextmanager
def _told(file: BinaryIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BulkheadError(f"pcap {file.name} cannot be written: {error.strerror}") from None


class Captures:
    """The files of a machine's captured ports. Call `serve` often: the machine waits at each of their packets.

    A packet comes when the switch is done with it, and is in its file at the time at which it is at the port: those of a station
    then, those for a station when they arrive there. Times of a file never fall.
    """

    def __init__(self, machine: Machine, ram: Ram) -> None:
        self._ram = ram
        self.bells = Bells()
        self._coming: list[tuple[int, int, int, bytes]] = []  # (at, number, port, packet)
        self._page = layout("capture.Page")
        self._at = constant("capture.physical_address")
        self._count, offset = part(self._page, "packets")
        assert offset == 0
        self._files: dict[int, BinaryIO] = {}
        for port, (guest, net) in enumerate(interfaces(machine)):
            if net.pcap is not None:
                self._files[port] = self._open(net.pcap, f"guest {guest}: interface {net.name}")

    @staticmethod
    def _open(path: str, what: str) -> BinaryIO:
        try:
            file = open(path, "wb")
            file.write(struct.pack("<IHHiIII", MAGIC, *VERSION, 0, 0, LONGEST, ETHERNET))
            file.flush()
        except OSError as error:
            raise SpecError(f"{what}: pcap {path} cannot be written: {error.strerror}") from None
        return file

    def serve(self) -> bool:
        """Take the packet that the machine waits with, if it waits; True if it did."""
        raw = self._ram.read(self._at, self._count.itemsize)
        if int(np.frombuffer(raw, dtype=self._count)[0]) != self.bells.answered + 1:
            return False
        page: Any = np.frombuffer(self._ram.read(self._at, self._page.itemsize), dtype=self._page)[0]
        self._write(int(page["switched"]))
        packet = self._ram.read(int(page["physical"]), min(int(page["bytes"]), LONGEST))
        heapq.heappush(self._coming, (int(page["at"]), self.bells.answered, int(page["interface"]), packet))
        self.bells.answer()
        return True

    def _write(self, until: int | None = None) -> None:
        """Packets that are at their ports before that time: none that comes later is."""
        while self._coming and (until is None or self._coming[0][0] < until):
            at, _, port, packet = heapq.heappop(self._coming)
            time = WALL_CLOCK + at
            head = struct.pack("<IIII", time // SECOND, time % SECOND, len(packet), len(packet))
            if port in self._files:
                with _told(self._files[port]):
                    self._files[port].write(head + packet)

    def close(self) -> None:
        """Write what is left."""
        self._write()
        for file in self._files.values():
            with _told(file):
                file.close()


def captures_of(machine: Machine, ram: Ram) -> Captures | None:
    """The captures of a machine that has any."""
    return Captures(machine, ram) if any(net.pcap is not None for _, net in interfaces(machine)) else None
