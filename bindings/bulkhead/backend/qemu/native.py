"""Boots Linux on the bare machine: the same QEMU, clock, kernel and image as a guest gets, without a hypervisor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bulkhead.backend.qemu import process
from bulkhead.base.errors import BulkheadError
from bulkhead.base.scratch import Scratch
from bulkhead.base.units import MIB
from bulkhead.model.clock import shift

POLL_SECONDS = 0.1
LOG_LINES = 3


@dataclass(frozen=True)
class Native:
    """A bare machine. `cmdline` lacks the console's name; `memory` is in bytes, as for a guest."""

    kernel: Path  # a bzImage
    initrd: Path
    cmdline: str
    memory: int = 512 * MIB
    ns_per_instruction: int = 4
    seed: int = 1
    host_timeout: float = 300.0  # seconds of this computer


def _command(machine: Native, serial: Path) -> list[str]:
    counted = shift(machine.ns_per_instruction, pcpus=1, parallel=True)
    words = [process.QEMU, "-accel", "tcg", "-icount", f"shift={counted},sleep=off"]
    words += [
        "-rtc",
        f"clock=vm,base={process.RTC_BASE}",
        "-seed",
        str(machine.seed),
        "-cpu",
        process.CPU["tcg"],
    ]
    words += [
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "pc",
        "-m",
        f"{machine.memory // MIB}M",
    ]
    words += ["-kernel", str(machine.kernel), "-initrd", str(machine.initrd)]
    words += ["-append", f"console=ttyS0 {machine.cmdline}"]
    return words + ["-chardev", f"file,id=serial,path={serial}", "-serial", "chardev:serial"]


def run_native(machine: Native) -> str:
    """Boot, wait until it powers off; what it said. BulkheadError if it did not end in time."""
    with Scratch() as scratch:
        serial, log = scratch.file("serial"), scratch.file("log")
        start = time.monotonic()
        with process.Process(_command(machine, serial), tuple(scratch.fds), log) as running:
            while running.poll() is None and time.monotonic() - start < machine.host_timeout:
                running.wait(POLL_SECONDS)
            ended = running.poll()
        text = serial.read_text("utf-8", "replace")
        if ended != 0:
            said = [*log.read_text("utf-8", "replace").splitlines(), *text.splitlines()][-LOG_LINES:]
            why = (
                f"did not end within {machine.host_timeout:.0f} s"
                if ended is None
                else f"ended with status {ended}"
            )
            raise BulkheadError(f"Linux on the bare machine {why}: {'; '.join(said)}")
        return text
