"""The interface of every back end, and how a machine is carried out on any of them.

A back end begins a session; a session is one machine under way. All that is said of machines elsewhere (running, watching,
steering) is built on these two.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from bulkhead.base.errors import Interrupted, MachineError
from bulkhead.base.text import format_ns
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import MORE_RING, IncompleteTrace, Run
from bulkhead.model.sample import Sample
from bulkhead.model.spec import TimelineEntry


@dataclass(frozen=True)
class Answer:
    """The outcome of one order: when it was done, ns since the guests were built, and 0 or a negated errno of Xen's."""

    done_at: int
    result: int


class Session(Protocol):
    """A machine under way; a context manager that ends it.

    At the stops of its timeline it gets what the timeline says next, unless it was begun `held`: then it stands still there
    until it is told to proceed.
    """

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0 to 1."""

    @property
    def stopped(self) -> bool:
        """Whether it stands still for orders."""

    @property
    def stopped_at(self) -> int:
        """When it stood still last, ns since all guests were built."""

    def follow(self) -> bool:
        """Let it go on for a moment. False once it is over."""

    def sample(self) -> Sample | None:
        """A sample of the machine as it is now; None if it has not begun. A look changes nothing in the machine."""

    def proceed(self, batch: Sequence[TimelineEntry]) -> None:
        """Go on from a stop with these entries, in order of time."""

    def answers(self) -> list[Answer]:
        """At a stop: the outcomes of the orders since the stop before."""

    def collect(self) -> Run:
        """The finished run of a machine that is over."""

    def __enter__(self) -> Session:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""


class Backend(Protocol):
    """A back end, which carries machines out; each registers with `bulkhead.model.machine.REGISTRY`."""

    @property
    def name(self) -> str:
        """As `backend=` and `--backend` call it."""

    def cannot_carry_out(self, machine: Machine) -> str | None:
        """Why it can never carry a machine out, in a few words; None if it can."""

    def begin(self, machine: Machine, options: RunOptions, held: bool = False) -> Session:
        """Start a machine without waiting for its end. BulkheadError for bad input."""

    def run(self, machine: Machine, options: RunOptions) -> Run:
        """Start, wait for the end, collect."""


class Interval:
    """True once in so many seconds of this computer."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, time.monotonic() + seconds

    def due(self) -> bool:
        """Whether the time has come; then it counts from now on."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True


def carry_out(session: Session, options: RunOptions) -> Run:
    """Run to the end, report progress and samples as the options ask, collect.

    An interrupt ends the machine. With `options.out` the run until then is kept there, and `Interrupted` says so.
    """
    interval = Interval(options.watch_every)
    try:
        while session.follow():
            if options.progress is not None:
                options.progress(session.progress)
            if options.watch is not None and interval.due() and (sample := session.sample()) is not None:
                options.watch(sample)
    except KeyboardInterrupt:
        if options.out is None:
            raise
        raise Interrupted(_kept(session, options.out)) from None
    if options.watch is not None and (sample := session.sample()) is not None:
        options.watch(sample)
    run = session.collect()
    if run.incomplete:
        warnings.warn(f"{sum(run.landmark.trace_lost)} trace records are lost{MORE_RING}", IncompleteTrace, 3)
    return run


def _kept(session: Session, out: Path) -> str:
    """Keep what there is of an interrupted run, and say so."""
    try:
        run = session.collect()
    except MachineError:
        return "interrupted before the machine had begun; nothing is kept"
    at = max(0, run.landmark.now - run.landmark.started) if run.landmark.started else 0
    return f"interrupted after {format_ns(at)}; the run until then is kept in {out}"
