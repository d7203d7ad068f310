"""Work that guests did: throughput from their own marks, and what their co-runners cost them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.metrics.trace import Records, Window, int64


@dataclass(frozen=True)
class Progress:
    """Operations done in a span of real time [ns]."""

    operations: int
    elapsed_ns: int

    @property
    def per_second(self) -> float | None:
        """Operations per second of real time; None if no time passed."""
        return self.operations * 1e9 / self.elapsed_ns if self.elapsed_ns else None


def throughput(marks: Records, window: Window) -> Progress:
    """Progress over the whole window from marks whose value is a running total of operations.

    The total at an instant is that of the last mark at or before it, 0 before the first mark. So with marks every m operations
    the error is below m, and time at the window's ends in which the guest did not run counts like any other.
    """
    times, totals = int64(marks["time"]), np.concatenate([[0], int64(marks["b"])])
    begin, end = np.searchsorted(times, [window.start, window.end], side="right")
    return Progress(int(totals[end] - totals[begin]), window.length)


def degradation(together: float, alone: float) -> float | None:
    """D = 100 (1 - P_together / P_alone) in per cent: 0 undisturbed, 100 nothing left, negative faster than alone."""
    return 100.0 * (1.0 - together / alone) if alone else None


def slowdown(together: float, alone: float) -> float | None:
    """S = T_together / T_alone, for times: 1 undisturbed."""
    return together / alone if alone else None
