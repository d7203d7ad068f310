"""A machine under QEMU, from its start until it is collected. Whatever happens, no process and no file outlives it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bulkhead.backend.doubts import doubts
from bulkhead.backend.landmark import landmark, merge, read_page, read_rings
from bulkhead.backend.protocol import Answer
from bulkhead.backend.qemu import process
from bulkhead.backend.qemu.accel import PROBE_SECONDS, choose_accel, never_began
from bulkhead.backend.qemu.bell import Bells
from bulkhead.backend.qemu.capture import captures_of
from bulkhead.backend.qemu.console import Consoles
from bulkhead.backend.qemu.drain import Drain, can_drain
from bulkhead.backend.qemu.prepare import disk_contents, prepare
from bulkhead.backend.qemu.ram import Ram
from bulkhead.backend.qemu.saved_disks import save_disks
from bulkhead.backend.qemu.steering import Steering
from bulkhead.backend.snapshot import read_account, sample_of
from bulkhead.backend.versions import versions
from bulkhead.base.errors import BulkheadError, MachineError
from bulkhead.base.schema import EXIT, constant
from bulkhead.base.scratch import Scratch
from bulkhead.base.units import SECOND
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run
from bulkhead.model.sample import Sample
from bulkhead.model.spec import TimelineEntry
from bulkhead.model.storage import save
from bulkhead.model.timeline import batches, is_steered
from bulkhead.policy.tables import PolicyTable, built_policies

POLL_SECONDS = 0.02
STOP_POLL_SECONDS = 0.0005
PACKET_POLL_SECONDS = 0.00002  # a machine whose packets are captured waits at each of them
BASE_TIMEOUT = 60.0  # seconds of this computer for start-up
TIMEOUT_PER_PCPU = 10.0  # for each further pCPU's
TIMEOUT_PER_SECOND = 120.0  # per second of the machine


@dataclass(frozen=True)
class _Ended:
    """How QEMU ended: the hypervisor's exit value, or why there is none."""

    value: int | None
    lost_to: str | None
    over: bool = False  # ended from here, and not by a fault
    useless: bool = False  # there is nothing to collect

    @property
    def exit_status(self) -> int:
        """The hypervisor's word, else what can be told from how QEMU ended."""
        if self.value is not None:
            return self.value
        return EXIT["time_over"] if self.over else EXIT["panicked"]


def _noticed(status: int, ended_here: bool) -> _Ended:
    """QEMU has ended; with `ended_here` an interrupt of this process ended it, while a thread waited for it."""
    value = process.exit_value(status)
    if ended_here:
        return _Ended(None, "interrupted", over=True)
    if value is not None:
        return _Ended(value, None)
    reset = "the machine was reset (triple fault)"
    return _Ended(None, reset if status == 0 else f"QEMU ended with status {status}")


class Booted:
    """A machine that QEMU runs; a context manager.

    At the stops of its timeline it gets what the timeline says next, unless it is `held`: then it stands still there until
    it is told to proceed. Raises `BulkheadError` for bad input, `MachineError` if the hypervisor left nothing that can be read.
    """

    def __init__(self, machine: Machine, options: RunOptions, held: bool = False) -> None:
        self.machine, self.options = machine, options
        self._held, self._later = held, batches(machine.timeline)[1:]
        self._accel = choose_accel(machine)
        image, manifest = prepare(machine, self._accel)
        self._limit = options.host_timeout or (
            BASE_TIMEOUT
            + TIMEOUT_PER_PCPU * (machine.pcpus - 1)
            + TIMEOUT_PER_SECOND * machine.duration / SECOND
        )
        self._ended: _Ended | None = None
        self._pause = POLL_SECONDS
        with ExitStack() as stack:
            scratch = stack.enter_context(Scratch())
            self.ram = stack.enter_context(Ram(machine.memory, options.out))
            self._serial, self._log = scratch.file("serial"), scratch.file("log")
            self._steering = Steering(machine, self.ram) if is_steered(machine.timeline) else None
            self._drain = Drain(self.ram) if can_drain(machine, self._accel) else None
            self._captures = captures_of(machine, self.ram)
            if self._captures is not None:
                stack.callback(self._captures.close)
            for bells in self._bells.values():
                stack.callback(bells.close)
            modules = [scratch.file("disk", contents) for contents in disk_contents(machine)]
            words, inherited = self._command((image, scratch.file("manifest", manifest), *modules))
            self._start = self._patience = time.monotonic()
            self._process = stack.enter_context(
                process.Process(words, (self.ram.fd, *scratch.fds, *inherited), self._log)
            )
            stack.callback(self._release)
            self._stack = stack.pop_all()

    def _command(self, images: tuple[Path, ...]) -> tuple[list[str], tuple[int, ...]]:
        terminal = self.options.terminal
        self._consoles = Consoles(
            self._serial, self.options.console, terminal.show if terminal is not None else None
        )
        typed = terminal.line.fd if terminal is not None else None
        bells = {port + i: fd for port, pair in self._bells.items() for i, fd in enumerate(pair.fds)}
        words = process.command(self.machine, self._accel, self.ram, images, self._serial, typed, bells)
        if self.options.instructions is not None:
            words += process.logged(self.options.instructions)
        return words, (*bells.values(), typed) if typed is not None else tuple(bells.values())

    @property
    def _bells(self) -> dict[int, Bells]:
        """By their first port."""
        bells = {}
        if self._steering is not None:
            bells[constant("steering.doorbell")] = self._steering.bells
        if self._drain is not None:
            bells[constant("steering.trace_doorbell")] = self._drain.bells
        if self._captures is not None:
            bells[constant("capture.doorbell")] = self._captures.bells
        return bells

    def _release(self) -> None:
        for bells in self._bells.values():
            bells.release()

    @property
    def host_seconds(self) -> float:
        """Since the start, on this computer."""
        return time.monotonic() - self._start

    def follow(self) -> bool:
        """Let it go on for a moment, and show what its guests say. False once it is over."""
        self._consoles.poll()
        self._look()
        if self._ended is not None:
            return False
        if self.stopped and not self._held:
            self.proceed(self._later.pop(0))
        if self._drain is not None and self._drain.serve():
            self._pause = STOP_POLL_SECONDS  # a ring that was full once will be again
        self._wait()
        return True

    def _wait(self) -> None:
        pause, self._pause = self._pause, min(2 * self._pause, POLL_SECONDS)
        if self._steering is None and self._captures is None:
            return self._process.wait(pause)
        end, step = time.monotonic() + pause, PACKET_POLL_SECONDS if self._captures else STOP_POLL_SECONDS
        while time.monotonic() < end and not self.stopped and self._process.poll() is None:
            if self._captures is None or not self._captures.serve():
                time.sleep(step)

    @property
    def stopped(self) -> bool:
        """Whether it stands still for orders."""
        return self._steering is not None and self._ended is None and self._steering.waits

    @property
    def stopped_at(self) -> int:
        """When it stood still last, ns since all guests were built."""
        return self._steering.at if self._steering is not None else 0

    def proceed(self, batch: Sequence[TimelineEntry]) -> None:
        """Let it go on from a stop, with these entries. SpecError if they are too many."""
        assert self._steering is not None
        self._patience = time.monotonic()
        self._steering.proceed(batch)

    def answers(self) -> list[Answer]:
        """At a stop: the outcomes of the orders since the stop before."""
        return self._steering.answers() if self._steering is not None else []

    def _look(self) -> None:
        status, terminal = self._process.poll(), self.options.terminal
        if status is not None:
            self._ended = _noticed(status, self._process.ended_here)
        elif time.monotonic() - self._patience > self._limit and not self.stopped:
            why = f"stopped after {self._limit:.0f} s of this computer's time; the machine did not end by itself"
            self._end(_Ended(None, why, over=True))
        elif self._accel == "kvm" and self.host_seconds > PROBE_SECONDS and not self._began:
            self._end(_Ended(None, never_began(PROBE_SECONDS), over=True, useless=True))
        elif terminal is not None and terminal.hung_up:
            self._end(_Ended(None, "ended at the terminal", over=True))

    def _end(self, how: _Ended) -> None:
        if self._steering is not None:
            self._steering.bells.release()
        if self._drain is not None:
            self._drain.serve()  # or it could not hear that it is to end; its ring stays whole
        if self._captures is not None:
            self._captures.serve()  # likewise
        self._process.stop()
        self._ended = how

    def sample(self) -> Sample | None:
        """A sample of the machine as it is now; None before the hypervisor has begun. A look changes nothing in it."""
        try:
            return sample_of(read_account(self.ram), self.machine.duration, self.host_seconds)
        except (BulkheadError, ValueError):  # no landmark yet, or one that is just being made
            return None

    @property
    def _began(self) -> bool:
        """Whether a first guest, domain 0, has run and come back."""
        try:
            return int(read_page(self.ram)["now"]) > 0
        except BulkheadError:
            return False

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0 to 1."""
        try:
            page = read_page(self.ram)
        except BulkheadError:
            return 0.0
        gone = int(page["now"]) - int(page["started"]) if page["started"] else 0
        return min(1.0, gone / self.machine.duration)

    def collect(self) -> Run:
        """The finished run of a machine that is over."""
        ended = self._ended or _Ended(None, "ended before its time", over=True)
        self._end(ended)
        if ended.useless:
            raise MachineError(ended.lost_to or "")
        seconds, texts = self.host_seconds, self._consoles.finish()
        try:
            page = read_page(self.ram)
            rings = read_rings(page, self.ram)
            if self._drain is not None:
                rings = [self._drain.before(pcpu, ring) for pcpu, ring in enumerate(rings)]
            trace, digest = merge(rings)
            summary = landmark(page, self.ram, known_policies(self.machine))
            unsaved = save_disks(self.machine, page, self.ram)
        except (BulkheadError, ValueError) as error:
            raise MachineError(self._last_words(error, ended, texts)) from None
        machine = self.machine
        run = Run(
            machine=machine,
            exit_status=ended.exit_status,
            trace=trace,
            trace_sha256=digest,
            landmark=summary,
            consoles=texts,
            versions=versions(),
            reproducible=self._accel == "tcg"
            and machine.ns_per_instruction is not None
            and machine.terminal is None
            and not machine.has_real_devices,
            host_seconds=seconds,
            lost_to=ended.lost_to,
            warnings=(*doubts(machine, "qemu"), *unsaved),
        )
        if self.options.out is not None:
            self._keep(run, self.options.out)
        return run

    def _keep(self, run: Run, out: Path) -> None:
        save(run, out)
        (out / "serial.txt").write_bytes(self._serial.read_bytes())
        if self.options.keep_ram:
            self.ram.copy_to(out / "ram")

    def _last_words(self, error: Exception, ended: _Ended, consoles: dict[str, str]) -> str:
        """One message from what QEMU and the console last said."""
        said = self._log.read_text("utf-8", "replace").splitlines()
        said += [line for text in consoles.values() for line in text.splitlines()]
        return "; ".join([str(error), *([ended.lost_to] if ended.lost_to else []), *said[-3:]])

    def close(self) -> None:
        """End it if it runs, and let go of everything."""
        self._stack.close()

    def __enter__(self) -> Booted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def known_policies(machine: Machine) -> dict[str, PolicyTable]:
    """The built policies by "kind:name", of the kinds that the machine has one of."""
    return {
        f"{kind}:{name}": policy
        for kind, spec in machine.policies.items()
        if spec
        for name, policy in built_policies(kind).items()
    }
