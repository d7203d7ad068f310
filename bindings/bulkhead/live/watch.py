"""Watching a machine while it runs, on either back end. Only looks: a watched run has the trace of an unwatched one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bulkhead.backend.protocol import Interval, Session
from bulkhead.base.errors import SpecError
from bulkhead.model.run import Run
from bulkhead.model.sample import Sample


class Watch:
    """A run that is watched: iterate over its samples, then take its `run`.

    >>> for sample in machine.watch(every=0.5):
    ...     print(sample.at, {name: row.guest_ns for name, row in sample.domains.items()})

    The machine starts with the iteration; leaving it early ends the machine. The last sample is of its end.
    """

    def __init__(self, start: Callable[[], Session], every: float) -> None:
        if not every > 0:
            raise SpecError(f"watch: every={every!r} is not a number of seconds above 0")
        self._start, self._every = start, every
        self._run: Run | None = None

    def __iter__(self) -> Iterator[Sample]:
        interval = Interval(self._every)
        with self._start() as session:
            while session.follow():
                if interval.due() and (sample := session.sample()) is not None:
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
