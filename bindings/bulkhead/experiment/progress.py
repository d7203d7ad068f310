"""Says how far a batch of runs has come: a bar with the time left in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
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


class Bar:
    """A bar over all runs, with what is running and the time left. To be used in a `with` statement."""

    def __init__(self, title: str, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[running]}"),
        )
        self._bar = RichProgress(*columns, transient=True)
        self._task = self._bar.add_task(title, total=total, running="")
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
        self._bar.update(self._task, completed=completed, running=" | ".join(self._fractions))
