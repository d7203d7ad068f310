"""Boots a guest image as domain 0 of Xen: the same QEMU and clock as ours has, to compare with and to test against."""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass
from pathlib import Path

from bulkhead.backend.qemu import process
from bulkhead.base.errors import BulkheadError
from bulkhead.base.scratch import Scratch
from bulkhead.base.units import MIB
from bulkhead.model.clock import shift

POLL_SECONDS = 0.1
ENDS = ("halting machine", "Dom0 crashed", "Reboot in", "rebooting machine")
MACHINE_MEMORY = 512 * MIB
CPU = "max,-smap"  # with SMAP, Xen 4.17 dies under this emulator


@dataclass(frozen=True)
class OnXen:
    """A guest image on Xen. `xen` is the hypervisor as Debian packages it, `memory` the guest's in bytes."""

    image: Path
    xen: Path
    cmdline: str = ""
    memory: int = 64 * MIB
    pcpus: int = 1  # and vCPUs of the guest
    ns_per_instruction: int = 4
    seed: int = 1
    host_timeout: float = 120.0  # seconds of this computer


def _command(machine: OnXen, kernel: Path, serial: Path) -> list[str]:
    counted = shift(machine.ns_per_instruction, pcpus=1, parallel=True)
    words = [
        process.QEMU,
        "-accel",
        "tcg",
        "-icount",
        f"shift={counted},sleep=off",
        "-seed",
        str(machine.seed),
    ]
    words += ["-cpu", CPU, "-smp", str(machine.pcpus), "-m", f"{MACHINE_MEMORY // MIB}M"]
    words += ["-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(kernel)]
    words += ["-initrd", f"{machine.image} {machine.cmdline}"]
    words += ["-append", f"com1=115200 console=com1 dom0_mem={machine.memory // MIB}M loglvl=warning"]
    return words + ["-chardev", f"file,id=serial,path={serial}", "-serial", "chardev:serial"]


def run_on_xen(machine: OnXen) -> str:
    """What the guest says, until it has ended or the time is over. BulkheadError if Xen's image cannot be read."""
    with Scratch() as scratch:
        try:
            kernel = scratch.file("xen", gzip.decompress(machine.xen.read_bytes()))
        except OSError as error:
            raise BulkheadError(
                f"Xen's image {machine.xen}: {error.strerror or 'not compressed by gzip'}; install "
                "xen-hypervisor-4.17-amd64, or set BULKHEAD_XEN to the file"
            ) from None
        serial, log = scratch.file("serial"), scratch.file("log")
        give_up = time.monotonic() + machine.host_timeout
        with process.Process(_command(machine, kernel, serial), tuple(scratch.fds), log) as running:
            while running.poll() is None and time.monotonic() < give_up:
                running.wait(POLL_SECONDS)
                if any(end in serial.read_text("utf-8", "replace") for end in ENDS):
                    break
        lines = serial.read_text("utf-8", "replace").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("(XEN)"))
