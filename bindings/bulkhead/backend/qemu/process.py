"""QEMU: its command line and its life. Whatever happens to this process, no QEMU outlives it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from bootstrap.tools import lack

from bulkhead.backend.qemu import processor
from bulkhead.backend.qemu.ram import Ram
from bulkhead.backend.qemu.real import real_words
from bulkhead.base.errors import BulkheadError
from bulkhead.model.clock import shift
from bulkhead.model.machine import Machine

QEMU = "qemu-system-x86_64"
RTC_BASE = "2024-01-01T00:00:00"  # the manifest's WALL_CLOCK
EXIT_PORT = 0xF4
EXIT_BASE = 0x10  # the hypervisor writes Exit + EXIT_BASE, QEMU ends with (value << 1) | 1
# KVM inside a virtual machine may not let that register be written.
CPU = {"tcg": "max", "kvm": "max,arch-capabilities=off"}
PATIENCE_SECONDS = 2.0


@functools.cache
def version() -> str:
    """QEMU's version, e.g. "7.2.22". BulkheadError if QEMU is not installed."""
    if lacking := lack(QEMU):
        raise BulkheadError(lacking)
    words = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return words[3]


def processors(machine: Machine, accel: str) -> int:
    """How many processors QEMU gets for the machine's pCPUs.

    Under an instruction-counting clock QEMU runs its processors in turns. One whose predecessor in the list used its
    turn up gets none, so every pCPU is followed by a processor that sleeps for ever (docs/decisions/0008-turns.md).
    """
    counted = accel == "tcg" and machine.ns_per_instruction is not None and machine.pcpus > 1
    return 2 * machine.pcpus if counted else machine.pcpus


def command(
    machine: Machine,
    accel: str,
    ram: Ram,
    images: tuple[Path, ...],
    serial: Path,
    typed: int | None = None,
    bells: Mapping[int, int] | None = None,
) -> list[str]:
    """QEMU's command for a machine. `images` are the hypervisor, the manifest and the contents of disks; the console
    goes to `serial`.

    `typed` is a socket for a console that also reads. Its machine waits in real time, or all of its time would be over
    before a key is pressed; so does one with real devices, for their answers. `bells` are the pipes behind the
    ports that the machine writes to when it is to stand still, by port.
    """
    memory = f"{ram.size >> 20}M"
    words = [QEMU, "-accel", accel]
    if accel == "tcg" and (length := machine.instruction_ns) is not None:
        counted = shift(length, machine.pcpus, machine.parallel)
        waits = typed is not None or machine.has_real_devices
        words += ["-icount", f"shift={counted},sleep={'on' if waits else 'off'}"]
    words += ["-rtc", f"clock=vm,base={RTC_BASE}" if accel == "tcg" else f"base={RTC_BASE}"]
    words += ["-seed", str(machine.seed), "-cpu", CPU[accel], "-nodefaults", "-display", "none", "-no-reboot"]
    words += ["-object", f"memory-backend-file,id=ram,size={memory},mem-path={ram.path},share=on"]
    words += ["-machine", "pc,memory-backend=ram", "-m", memory, "-smp", str(processors(machine, accel))]
    words += ["-kernel", str(images[0]), "-initrd", ",".join(str(image) for image in images[1:])]
    where = (
        f"file,path={_escaped(serial)}" if typed is None else f"socket,fd={typed},logfile={_escaped(serial)}"
    )
    words += ["-chardev", f"{where},id=serial", "-serial", "chardev:serial"]
    for port, bell in (bells or {}).items():
        words += ["-chardev", f"file,id=bell{port:x},path=/proc/self/fd/{bell}"]
        words += ["-device", f"isa-debugcon,iobase={port:#x},chardev=bell{port:x}"]
    words += ["-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"]
    return words + real_words(machine)


def logged(log: Path) -> list[str]:
    """More words of the command: each executed instruction gives a line in `log`."""
    return ["-singlestep", "-d", "exec,nochain", "-D", str(log)]


def _escaped(path: Path) -> str:
    """A path inside a QEMU option: a comma is doubled."""
    return str(path).replace(",", ",,")


def exit_value(status: int) -> int | None:
    """landmark::Exit from QEMU's exit status; None if the hypervisor did not end the machine by itself."""
    value = (status >> 1) - EXIT_BASE
    return value if status > 0 and status & 1 and value >= 0 else None


def _let_it_work(pid: int) -> None:
    """A QEMU process is one of batch work: its two threads do not preempt each other.

    The emulator wakes its main thread at each end of a turn, for nothing. Under the usual policy of Linux this costs two context
    switches and the wait for a lock: 40 % of the host's time with two pCPUs. A system that refuses the policy is only slower.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


_running: set[Process] = set()


def stop_all() -> None:
    """End every QEMU of this process, for an interrupt while other threads wait for theirs."""
    for process in list(_running):
        process.stop()


atexit.register(stop_all)


class Process:
    """A running QEMU. A context manager that ends it; the kernel ends it too should this process die."""

    def __init__(self, words: list[str], files: tuple[int, ...], log: Path) -> None:
        if lacking := lack(QEMU):
            raise BulkheadError(lacking)
        self.ended_here = False  # and not by the machine itself
        guarded = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=files,
                start_new_session=True,
            )
        _let_it_work(self._process.pid)
        # One that counts instructions works in one thread.
        self._processor = processor.claim() if "-icount" in words else None
        if self._processor:
            self._processor.give(self._process.pid)
        _running.add(self)

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> None:
        """Wait for the end, at most so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def stop(self) -> None:
        """End it: politely, then not.

        An interrupt may have come while the interrupted code held Popen's lock, so nothing here waits without an end.
        """
        if self._process.poll() is None:
            self.ended_here = True
            self._process.terminate()
            self.wait(PATIENCE_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self.wait(PATIENCE_SECONDS)
        if self._processor:
            self._processor.close()
        _running.discard(self)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
