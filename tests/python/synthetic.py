"""Traces and runs whose every metric is known by construction. Only for tests: never a result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from bulkhead.base.schema import MARKS
from bulkhead.metrics import Schema, Trace

RECORD = np.dtype(
    [
        ("time", "<i8"),
        ("event", "<u2"),
        ("domain", "<u2"),
        ("vcpu", "<u2"),
        ("pcpu", "<u2"),
        ("a", "<u8"),
        ("b", "<u8"),
    ]
)
STOP = {"slice_end": 0, "yielded": 1, "preempted": 2, "blocked": 3, "paused": 4, "gone": 5}
NOBODY = 0xFFFF


@dataclass
class Script:
    """Writes a trace line by line."""

    rows: list[tuple[int, str, int, int, int, int, int]] = field(default_factory=list)

    def add(
        self,
        time: int,
        event: str,
        domain: int = NOBODY,
        vcpu: int = 0,
        pcpu: int = 0,
        a: int = 0,
        b: int = 0,
    ) -> Script:
        """One record."""
        self.rows.append((time, event, domain, vcpu, pcpu, a, b))
        return self

    def ran(
        self, start: int, end: int, domain: int, why: str = "slice_end", vcpu: int = 0, pcpu: int = 0
    ) -> Script:
        """One whole stay on a pCPU."""
        self.add(start, "run_in", domain, vcpu, pcpu)
        return self.add(end, "run_out", domain, vcpu, pcpu, a=STOP[why], b=end - start)

    def woke(self, time: int, domain: int, vcpu: int = 0) -> Script:
        """A vCPU becomes runnable."""
        return self.add(time, "wake", domain, vcpu)

    def idled(self, start: int, end: int, pcpu: int = 0) -> Script:
        """One halt of a pCPU."""
        return self.add(start, "idle_in", pcpu=pcpu).add(end, "idle_out", pcpu=pcpu)

    def marks(self, domain: int, code: str, at: Iterable[tuple[int, int]]) -> Script:
        """Marks of one code: (time, value) each."""
        for time, value in at:
            self.add(time, "mark", domain, a=MARKS[code], b=value)
        return self

    def trace(self, start: int | None = None, end: int | None = None) -> Trace:
        """The trace, between `run_start` and `run_end` records if instants are given for them."""
        rows = list(self.rows)
        if start is not None:
            rows.insert(0, (start, "run_start", NOBODY, 0, 0, 0, 0))
        if end is not None:
            rows.append((end, "run_end", NOBODY, 0, 0, 0, 0))
        schema = Schema.built()
        rows.sort(key=lambda row: row[0])
        records = np.array(
            [(t, schema.events[e], d, v, p, a, b) for t, e, d, v, p, a, b in rows], dtype=RECORD
        )
        return Trace(records, schema)
