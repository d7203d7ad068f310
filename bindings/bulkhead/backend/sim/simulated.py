"""A `Machine` under way in the simulator; it leaves the same kind of `Run` as QEMU. Never writes but where it is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from bulkhead import _core
from bulkhead.backend.check import check_machine
from bulkhead.backend.doubts import doubts
from bulkhead.backend.course import Course, check_changes
from bulkhead.backend.reservations import check_reservations
from bulkhead.backend.landmark import Row, landmark, merge
from bulkhead.backend.protocol import Answer
from bulkhead.backend.sim.costs import Costs
from bulkhead.backend.sim.plan import (
    Policies,
    check_asks,
    check_simulated,
    check_sizes,
    simulation,
    successor_row,
    successors,
    timeline_rows,
)
from bulkhead.backend.snapshot import Account, sample_of
from bulkhead.backend.versions import NO_QEMU, versions
from bulkhead.base.errors import SpecError
from bulkhead.base.layouts import layout
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run
from bulkhead.model.sample import Sample
from bulkhead.model.spec import TimelineEntry
from bulkhead.model.storage import save
from bulkhead.model.timeline import batches
from bulkhead.policy.choose import ChosenPolicy

EVENTS_AT_A_TIME = 200_000  # between two looks at Ctrl-C


class _Memory:
    """The simulated run's ledger as if it lay in RAM, for the readers of a real run."""

    def __init__(self, ledger: bytes) -> None:
        self._ledger = ledger

    def read(self, address: int, size: int) -> bytes:
        return self._ledger[address : address + size]


class Simulated:
    """A machine under way in the simulator; a context manager.

    At the stops of its timeline it gets what the timeline says next, unless it is `held`: then it stands still there until
    it is told to proceed. Raises `BulkheadError` for bad input.
    """

    def __init__(
        self, machine: Machine, options: RunOptions, held: bool = False, costs: Costs | None = None
    ) -> None:
        check_machine(machine)
        check_reservations(machine)
        check_changes(machine)
        check_asks(machine)
        check_sizes(machine)
        self.machine, self.options = machine, options
        self._held, self._costs, self._more = held, costs, True
        self._policies = Policies.of(machine)
        self._swapped: list[ChosenPolicy] = successors(machine.timeline)
        first, *self._later = batches(machine.timeline)
        self._start = time.monotonic()
        self._course = Course(machine)
        self._simulation = simulation(self._course, self._policies, costs, first)

    def follow(self) -> bool:
        """Let it go on for a moment. False once it is over."""
        if not self._more:
            return False
        if self.stopped and not self._held:
            self.proceed(self._later.pop(0))
        try:
            self._more = self._simulation.run(EVENTS_AT_A_TIME)
        except _core.Refused as error:  # a model refuses its options
            raise SpecError(str(error)) from None
        return self._more

    @property
    def stopped(self) -> bool:
        """Whether it stands still for orders."""
        return self._simulation.stopped

    @property
    def stopped_at(self) -> int:
        """When it stood still last, ns since all guests were built."""
        return self._simulation.stopped_at

    def proceed(self, batch: Sequence[TimelineEntry]) -> None:
        """Let it go on from a stop, with these entries."""
        for entry in batch:
            check_simulated(entry)
        chosen = successors(batch)
        self._swapped += chosen
        self._simulation.proceed(
            timeline_rows(self._course, batch), [successor_row(one, self._costs) for one in chosen]
        )

    def answers(self) -> list[Answer]:
        """At a stop: the outcomes of the orders since the stop before."""
        return [Answer(done_at, result) for done_at, result in self._simulation.answers()]

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0 to 1."""
        return self._simulation.progress

    def _summary(self) -> tuple[Row, bytes]:
        page, ledger = self._simulation.summary()
        return np.frombuffer(page, dtype=layout("landmark.Page"))[0], ledger

    def sample(self) -> Sample | None:
        """The machine as it is now. A look changes nothing in the machine."""
        page, ledger = self._summary()
        rows = np.frombuffer(ledger, dtype=layout("landmark.LedgerEntry"))
        seconds = time.monotonic() - self._start
        return sample_of(Account(page, rows, True), self.machine.duration, seconds)

    def collect(self) -> Run:
        """The finished run of a machine that is over."""
        seconds = time.monotonic() - self._start
        page, ledger = self._summary()
        machine = self.machine
        trace, digest = merge([self._simulation.take_ring(pcpu) for pcpu in range(machine.pcpus)])
        run = Run(
            machine=machine,
            exit_status=int(page["exit_status"]),
            trace=trace,
            trace_sha256=digest,
            landmark=landmark(page, _Memory(ledger), self._policies.known(self._swapped)),
            consoles=self._consoles(),
            versions=versions(NO_QEMU),
            reproducible=True,
            host_seconds=seconds,
            warnings=doubts(machine, "sim"),
        )
        if self.options.out is not None:
            save(run, self.options.out)
        return run

    def _consoles(self) -> dict[str, str]:
        """Consoles of the guests; a guest that printed nothing has none, as with a real console."""
        texts = zip((guest.name for guest in self.machine.guests), self._simulation.consoles)
        return {name: text for name, text in texts if text}

    def __enter__(self) -> Simulated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: a simulated machine holds only memory."""
