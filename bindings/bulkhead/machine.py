"""Runs a `Machine` under QEMU and collects the `Run`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bulkhead import qemu
from bulkhead.accel import choose_accel
from bulkhead.collect import landmark, merge, read_page, read_rings
from bulkhead.console import Consoles
from bulkhead.policies import Policy, built_policies
from bulkhead.prepare import prepare
from bulkhead.ram import Ram
from bulkhead.run import Run
from bulkhead.scratch import Scratch
from bulkhead.spec import SECOND, BulkheadError, Machine, MachineError
from bulkhead.storage import save
from bulkhead.terminal import Terminal
from bulkhead.versions import versions

POLL_SECONDS = 0.02
PANICKED = 4
TIME_OVER = 5
BASE_TIMEOUT = 60.0  # seconds of this computer for start-up
TIMEOUT_PER_SECOND = 120.0  # per second of the machine


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; nothing here may change its trace."""

    out: Path | None = None  # keep consoles, trace and summary there; None: keep nothing on disk
    keep_ram: bool = False
    console: Callable[[str, str], None] | None = None  # called with (name, line) as lines appear
    progress: Callable[[float], None] | None = None  # called with the fraction of the run's duration, 0..1
    terminal: Terminal | None = None  # where the machine's own `terminal` guest is typed to and shown
    host_timeout: float | None = None  # seconds; None: a generous bound from the duration


@dataclass(frozen=True)
class _Ended:
    """How QEMU ended: the hypervisor's exit value, or why there is none."""

    value: int | None
    lost_to: str | None
    over: bool = False  # ended from here, and not by a fault


def _fraction(ram: Ram, machine: Machine) -> float:
    try:
        return min(1.0, int(read_page(ram)["now"]) / machine.duration)
    except BulkheadError:
        return 0.0


def _watch(
    process: qemu.Process, ram: Ram, consoles: Consoles, machine: Machine, options: RunOptions
) -> _Ended:
    """Follow the console until QEMU ends or the host's patience does."""
    limit = options.host_timeout or BASE_TIMEOUT + TIMEOUT_PER_SECOND * machine.duration / SECOND
    start = time.monotonic()
    while (status := process.poll()) is None:
        consoles.poll()
        if options.progress is not None:
            options.progress(_fraction(ram, machine))
        if time.monotonic() - start > limit:
            process.stop()
            why = f"stopped after {limit:.0f} s of this computer's time; the machine did not end by itself"
            return _Ended(None, why, over=True)
        if options.terminal is not None and options.terminal.hung_up:
            process.stop()
            return _Ended(None, "ended at the terminal", over=True)
        process.wait(POLL_SECONDS)
    value = qemu.exit_value(status)
    if value is not None:
        return _Ended(value, None)
    return _Ended(
        None, "the machine was reset (triple fault)" if status == 0 else f"QEMU ended with status {status}"
    )


def _known_policies(machine: Machine) -> dict[str, Policy]:
    kinds = {"scheduler": machine.sched, "memory": machine.memctl, "ring": machine.ringctl}
    return {
        name: policy for kind, spec in kinds.items() if spec for name, policy in built_policies(kind).items()
    }


def _exit_status(ended: _Ended) -> int:
    """The run's exit status: the hypervisor's word, else what can be told from how QEMU ended."""
    if ended.value is not None:
        return ended.value
    return TIME_OVER if ended.over else PANICKED


def run_machine(machine: Machine, options: RunOptions | None = None) -> Run:
    """Boot, wait for the end, collect. Leaves no process and no file behind.

    Raises `BulkheadError` for bad input, `MachineError` if the hypervisor left nothing that can be read.
    """
    options = options or RunOptions()
    accel = choose_accel(machine)
    image, manifest = prepare(machine, accel)
    with Scratch() as scratch, Ram(machine.memory, options.out) as ram:
        serial, log = scratch.file("serial"), scratch.file("log")
        terminal = options.terminal
        consoles = Consoles(serial, options.console, terminal.show if terminal else None)
        typed = terminal.line.fd if terminal else None
        words = qemu.command(machine, accel, ram, (image, scratch.file("manifest", manifest)), serial, typed)
        inherited = (ram.fd, *scratch.fds, *([typed] if typed is not None else []))
        start = time.monotonic()
        with qemu.Process(words, inherited, log) as process:
            ended = _watch(process, ram, consoles, machine, options)
        seconds = time.monotonic() - start
        texts = consoles.finish()
        try:
            page = read_page(ram)
            trace, digest = merge(read_rings(page, ram))
            summary = landmark(page, ram, _known_policies(machine))
        except (BulkheadError, ValueError) as error:
            raise MachineError(_last_words(error, ended, texts, log)) from None
        run = Run(
            machine=machine,
            exit_status=_exit_status(ended),
            trace=trace,
            trace_sha256=digest,
            landmark=summary,
            consoles=texts,
            versions=versions(),
            reproducible=accel == "tcg" and machine.icount is not None and machine.terminal is None,
            host_seconds=seconds,
            lost_to=ended.lost_to,
        )
        if options.out is not None:
            save(run, options.out)
            (options.out / "serial.txt").write_bytes(serial.read_bytes())
            if options.keep_ram:
                ram.copy_to(options.out / "ram")
        return run


def _last_words(error: Exception, ended: _Ended, consoles: dict[str, str], log: Path) -> str:
    """One message from what QEMU and the console last said."""
    said = log.read_text("utf-8", "replace").splitlines() + [
        line for text in consoles.values() for line in text.splitlines()
    ]
    return "; ".join([str(error), *([ended.lost_to] if ended.lost_to else []), *said[-3:]])
