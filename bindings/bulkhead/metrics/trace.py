"""A decoded trace with the names of its numbers. It knows no event by number: those come from the trace schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bulkhead import _core
from bulkhead.model.run import MORE_RING, Run

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Records = npt.NDArray[Any]


class TraceError(ValueError):
    """The trace contradicts its own schema, so no metric may be taken from it."""


@dataclass(frozen=True)
class Window:
    """A half-open span of real time, [start, end), in ns."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"window ends at {self.end} ns, before its start at {self.start} ns")

    @property
    def length(self) -> int:
        """Length in ns."""
        return self.end - self.start

    def holds(self, times: IntArray) -> BoolArray:
        """Which of `times` [ns] lie inside."""
        inside: BoolArray = (times >= self.start) & (times < self.end)
        return inside


@dataclass(frozen=True)
class Schema:
    """The numbers behind the names: events of the trace, and the reasons of `run_out` that leave a vCPU runnable."""

    events: Mapping[str, int]
    still_runnable: frozenset[int]

    @staticmethod
    def built() -> Schema:
        """The schema of the build that this package belongs to."""
        return _built_schema()


@cache
def _built_schema() -> Schema:
    return Schema(_core.enums["trace.Event"], frozenset(_core.still_runnable))


@dataclass(frozen=True)
class Trace:
    """Records sorted by time (ties: by pCPU, then as written), and what their numbers mean."""

    records: Records
    schema: Schema

    def __post_init__(self) -> None:
        if np.any(np.diff(self.records["time"]) < 0):
            raise TraceError("trace records are not sorted by time")

    @property
    def whole(self) -> Window:
        """From the first record to the last."""
        times = self.records["time"]
        return Window(int(times[0]), int(times[-1])) if len(times) else Window(0, 0)

    def number(self, event: str) -> int:
        """Number of an event; `TraceError` if the schema has no such name."""
        try:
            return self.schema.events[event]
        except KeyError:
            raise TraceError(f"the trace schema has no event {event!r}") from None

    def of(self, *events: str) -> Records:
        """Records of these events, in the order of the trace."""
        chosen: Records = self.records[self.events_in([self.number(event) for event in events])]
        return chosen

    @cached_property
    def _numbers(self) -> npt.NDArray[np.uint16]:
        return np.ascontiguousarray(self.records["event"])

    def events_in(self, numbers: list[int]) -> BoolArray:
        """Which records are of these events, by number."""
        wanted = np.zeros(1 << 16, dtype=np.bool_)
        wanted[numbers] = True
        chosen: BoolArray = wanted[self._numbers]
        return chosen

    def marks(self, domain: int, code: int) -> Records:
        """A domain's own marks of one code, in the order of the trace."""
        marks = self._marks
        chosen: Records = marks[(marks["domain"] == domain) & (marks["a"] == code)]
        return chosen

    @cached_property
    def _marks(self) -> Records:
        return self.of("mark")


def trace_of(run: Run, incomplete: bool = False) -> Trace:
    """A run's trace. `TraceError` if records are lost, whose metrics would be wrong, unless `incomplete` allows it."""
    if run.incomplete and not incomplete:
        lost = sum(run.landmark.trace_lost)
        raise TraceError(f"{lost} trace records are lost{MORE_RING}; or take the rest: incomplete=True")
    return Trace(run.trace, Schema.built())


def int64(values: npt.ArrayLike) -> IntArray:
    """Values as signed nanoseconds (record fields are unsigned)."""
    return np.asarray(values).astype(np.int64)
