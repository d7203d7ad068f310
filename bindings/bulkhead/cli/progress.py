"""Progress of long work: a bar with the time left in a terminal, a few plain lines elsewhere. Writes to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

PLAIN_INTERVAL_SECONDS = 10.0
BUILDING = "building guests"


class Progress:
    """A context manager around one piece of work."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Bar | None = None
        self._begun = False
        self._next_plain = time.monotonic() + PLAIN_INTERVAL_SECONDS
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(BUILDING, total=1.0)

    def fraction(self, done: float) -> None:
        """How much is done, 0..1. Up to the first that is above 0, the guests are being built."""
        begins, self._begun = done > 0 and not self._begun, self._begun or done > 0
        if self._bar is not None and begins:
            self._bar.reset(self._task, description=self._what)  # the time left is that of the run
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_INTERVAL_SECONDS
            print(
                f"{self._what}: {100 * done:.0f} %" if self._begun else BUILDING, file=sys.stderr, flush=True
            )

    def describe(self, what: str) -> None:
        """Say what is being done now."""
        self._what = what
        if self._bar is not None:
            self._bar.update(self._task, description=what)
        else:
            print(what, file=sys.stderr, flush=True)

    def above(self, write: Callable[[str, str], None]) -> Callable[[str, str], None]:
        """The same writer, but so that its lines do not tear the bar."""
        if self._bar is None or not sys.stdout.isatty():
            return write
        bar = self._bar

        def careful(name: str, line: str) -> None:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            write(name, line)
            bar.refresh()

        return careful

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
