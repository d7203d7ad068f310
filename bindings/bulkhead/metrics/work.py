"""Work that guests did: throughput from their own marks, and what company cost them."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.metrics.trace import Records, Window, int64


@dataclass(frozen=True)
class Progress:
    """Operations done between the first and the last mark inside a window, and the time between the two [ns]."""

    operations: int
    elapsed_ns: int

    @property
    def per_second(self) -> float | None:
        """Operations per second of real time; None if no time passed."""
        return self.operations * 1e9 / self.elapsed_ns if self.elapsed_ns else None


def throughput(marks: Records, window: Window) -> Progress:
    """Progress from marks whose value is a running total of operations.

    Operations that no mark has reported yet are not counted: with marks every m operations the error is below m.
    A guest that marked nothing at all in the window did nothing in it that anybody saw.
    """
    times = int64(marks["time"])
    inside = window.holds(times)
    totals, times = int64(marks["b"])[inside], times[inside]
    if not len(totals):
        return Progress(0, window.length)
    return Progress(int(totals[-1] - totals[0]), int(times[-1] - times[0]))


def degradation(together: float, alone: float) -> float | None:
    """D = 100 (1 - P_together / P_alone) in per cent: 0 undisturbed, 100 nothing left, negative faster than alone."""
    return 100.0 * (1.0 - together / alone) if alone else None


def slowdown(together: float, alone: float) -> float | None:
    """S = T_together / T_alone, for times: 1 undisturbed."""
    return together / alone if alone else None
