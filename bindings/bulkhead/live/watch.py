"""Watching a machine while it runs, on either back end. Only looks: a watched run has the trace of an unwatched one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from bulkhead.live.sample import Sample
from bulkhead.options import RunOptions
from bulkhead.run import Run
from bulkhead.spec import SpecError


class Session(Protocol):
    """A machine under way. What each back end offers; a context manager that ends it."""

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0 to 1."""

    def follow(self) -> bool:
        """Let it go on for a moment. False once it is over."""

    def sample(self) -> Sample | None:
        """What it looks like now; None if it has not begun."""

    def collect(self) -> Run:
        """What is left of a machine that is over."""

    def __enter__(self) -> Session:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""


class _Clock:
    """True once in a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, time.monotonic() + seconds

    def due(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True


def carry_out(session: Session, options: RunOptions) -> Run:
    """Run to the end, tell whoever wants to know, collect."""
    clock = _Clock(options.watch_every)
    while session.follow():
        if options.progress is not None:
            options.progress(session.progress)
        if options.watch is not None and clock.due() and (sample := session.sample()) is not None:
            options.watch(sample)
    if options.watch is not None and (sample := session.sample()) is not None:
        options.watch(sample)
    return session.collect()


class Watch:
    """A run that is watched: iterate over its samples, then take its `run`.

    >>> for sample in machine.watch(every=0.5):
    ...     print(sample.at, {name: row.guest_ns for name, row in sample.domains.items()})

    The machine starts with the iteration; leaving it early ends the machine. The last sample is of its end.
    """

    def __init__(self, start: Callable[[], Session], every: float) -> None:
        if not every > 0:
            raise SpecError(f"watch: every={every!r} is no number of seconds above 0")
        self._start, self._every = start, every
        self._run: Run | None = None

    def __iter__(self) -> Iterator[Sample]:
        clock = _Clock(self._every)
        with self._start() as session:
            while session.follow():
                if clock.due() and (sample := session.sample()) is not None:
                    yield sample
            if (sample := session.sample()) is not None:
                yield sample
            self._run = session.collect()

    @property
    def run(self) -> Run:
        """The finished run. A machine that was not iterated over to its end is started and run now."""
        if self._run is None:
            for _ in self:
                pass
        assert self._run is not None
        return self._run
