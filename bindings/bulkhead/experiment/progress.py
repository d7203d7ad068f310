"""Says how far a batch of runs has come: a bar with the time left in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress(Protocol):
    """Called from several threads."""

    def more(self, runs: int) -> None:
        ...

    def started(self, label: str) -> None:
        ...

    def fraction(self, label: str, done: float) -> None:
        ...

    def finished(self, label: str, host_seconds: float) -> None:
        ...


class Silent:
    """Prints nothing."""

    def more(self, runs: int) -> None:
        ...

    def started(self, label: str) -> None:
        ...

    def fraction(self, label: str, done: float) -> None:
        ...

    def finished(self, label: str, host_seconds: float) -> None:
        ...


class Lines:
    """One line for each run that has ended."""

    def __init__(self, total: int, out: TextIO) -> None:
        self._total, self._out, self._done, self._lock = total, out, 0, threading.Lock()

    def more(self, runs: int) -> None:
        with self._lock:
            self._total += runs

    def started(self, label: str) -> None:
        ...

    def fraction(self, label: str, done: float) -> None:
        ...

    def finished(self, label: str, host_seconds: float) -> None:
        with self._lock:
            self._done += 1
            width = len(str(self._total))
            print(
                f"[{self._done:{width}}/{self._total}] {label}  {host_seconds:.1f} s",
                file=self._out,
                flush=True,
            )


BAR = 20  # characters of the bar itself
GAPS = 4  # between its five columns
LEAST_LABEL = 12  # characters; a narrower place shows only how many run


def in_room(labels: Sequence[str], room: int) -> str:
    """What is running, in so many characters: the first label, shortened if need be, and how many there are beside it."""
    if not labels:
        return ""
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    left = room - len(more)
    if left < LEAST_LABEL:
        return f"{len(labels)} running" if room >= LEAST_LABEL else ""
    return (labels[0] if len(labels[0]) <= left else f"{labels[0][: left - 1]}…") + more


class Bar:
    """A bar over all runs, with what is running and the time left. To be used in a `with` statement."""

    def __init__(self, title: str, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(BAR),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[running]}"),
        )
        self._bar = RichProgress(*columns, transient=True)
        self._title = title if len(title) <= BAR else f"{title[: BAR - 1]}…"
        self._task = self._bar.add_task(self._title, total=total, running="")
        self._lock = threading.Lock()
        self._fractions: dict[str, float] = {}
        self._done, self._total = 0, total

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def more(self, runs: int) -> None:
        with self._lock:
            self._total += runs
            self._bar.update(self._task, total=self._total)

    def started(self, label: str) -> None:
        self.fraction(label, 0.0)

    def fraction(self, label: str, done: float) -> None:
        with self._lock:
            self._fractions[label] = done
            self._show()

    def finished(self, label: str, host_seconds: float) -> None:
        with self._lock:
            self._fractions.pop(label, None)
            self._done += 1
            self._show()

    def _show(self) -> None:
        completed = self._done + sum(self._fractions.values())
        fixed = len(self._title) + BAR + 2 * len(str(self._total)) + len("/") + len("0:00:00") + GAPS
        running = in_room(list(self._fractions), self._bar.console.width - fixed)
        self._bar.update(self._task, completed=completed, running=running)
