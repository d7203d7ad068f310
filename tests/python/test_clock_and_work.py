"""Clock skew, work and the ledger."""

from dataclasses import dataclass

import numpy as np
import pytest
from bulkhead.base.schema import MARKS
from bulkhead.metrics import (
    Window,
    accounting_skew,
    capacity_lost,
    clock_skew,
    degradation,
    idle_intervals,
    idle_while_runnable,
    ledger_table,
    ledger_unbilled_share,
    run_intervals,
    runnable_intervals,
    slowdown,
    throughput,
)
from bulkhead.metrics.accounting import domain_skew
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Script

MS = 1_000_000


def clocks(*pairs):
    return np.array([r for r, _ in pairs], dtype=np.int64), np.array([g for _, g in pairs], dtype=np.int64)


def test_a_perfect_clock():
    skew = clock_skew(*clocks(*((t, t + 77) for t in range(0, 100 * MS, MS))))
    assert (skew.offset_q1, skew.offset_median, skew.offset_q3, skew.largest_step, skew.backward_steps) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert skew.slope_ppm == 0.0


def test_a_clock_that_gains_ten_ppm():
    skew = clock_skew(*clocks(*((t, t + t // 100_000) for t in range(0, 100 * MS, MS))))
    assert skew.slope_ppm == 10.0
    assert skew.largest_step == 10


def test_a_clock_that_steps_back():
    skew = clock_skew(*clocks((0, 0), (10, 10), (20, 5), (30, 15)))
    assert skew.backward_steps == 1
    assert skew.largest_step == 15
    assert (skew.offset_q1, skew.offset_median, skew.offset_q3) == (-15, -15, 0)


def test_a_clock_dilated_by_ten_loses_nine_tenths():
    skew = clock_skew(*clocks(*((t, t // 10) for t in range(0, 100 * MS, MS))))
    assert skew.slope_ppm == pytest.approx(-900_000.0)


def test_clock_edges():
    assert clock_skew(*clocks((5, 5))) is None
    assert clock_skew(*clocks((5, 5), (5, 6))).slope_ppm == 0.0
    with pytest.raises(ValueError, match="2 readings"):
        clock_skew(np.array([1, 2]), np.array([1]))


@given(st.integers(-500, 500), st.integers(2, 50))
def test_slope_is_exact_for_a_straight_line(ppm, count):
    skew = clock_skew(*clocks(*((i * MS, i * MS + i * ppm) for i in range(count))))
    assert skew.slope_ppm == pytest.approx(float(ppm), abs=1e-9)


def progress(marks, window):
    trace = Script().marks(1, "operations", marks).trace()
    return throughput(trace.marks(1, MARKS["operations"]), window)


def test_throughput_counts_what_was_reported_up_to_each_end():
    got = progress([(0, 0), (100, 10), (200, 20), (400, 40)], Window(150, 350))
    assert (got.operations, got.elapsed_ns) == (10, 200)
    assert got.per_second == 5e7


def test_throughput_counts_the_time_after_the_last_mark():
    assert progress([(100, 10), (200, 20)], Window(0, 1000)).per_second == 2e7


def test_marks_at_the_ends_of_the_window_count():
    assert progress([(100, 10), (200, 25)], Window(100, 200)).operations == 15


def test_throughput_of_a_guest_that_marked_nothing_is_zero():
    assert progress([], Window(0, 1000)).per_second == 0.0


def test_throughput_of_no_time_is_unknown():
    assert progress([(50, 7)], Window(10, 10)).per_second is None


def test_degradation_and_slowdown():
    assert degradation(50.0, 200.0) == 75.0
    assert degradation(200.0, 200.0) == 0.0
    assert degradation(1.0, 0.0) is None
    assert slowdown(30.0, 10.0) == 3.0
    assert slowdown(30.0, 0.0) is None


@dataclass(frozen=True)
class Pcpu:
    start: int
    end: int
    guest_ns: int
    hypervisor_ns: int
    idle_ns: int
    unbilled_ns: int


@dataclass(frozen=True)
class Domain:
    name: str
    weight: int
    guest_ns: int
    hypervisor_ns: int
    waiting_ns: int = 0
    blocked_ns: int = 0


def test_the_ledger_adds_up_or_says_by_how_much_not():
    right, wrong = Pcpu(100, 1100, 600, 100, 280, 20), Pcpu(0, 1000, 600, 100, 280, 17)
    assert accounting_skew([right]) == 0
    assert accounting_skew([right, wrong]) == 3
    assert accounting_skew([Pcpu(0, 10, 12, 0, 0, 0), Pcpu(0, 10, 8, 0, 0, 0)]) == 4, "errors do not cancel"
    assert ledger_unbilled_share([right]) == 0.02
    assert ledger_unbilled_share([]) == 0.0


def test_ledger_rows_cover_all_time():
    pcpus = [Pcpu(0, 1000, 600, 100, 280, 20)]
    domains = [Domain("dom0", 256, 100, 50), Domain("victim", 256, 500, 50)]
    rows = ledger_table(pcpus, domains)
    assert [row.name for row in rows] == ["dom0", "victim", "idle", "unbilled"]
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert domain_skew(pcpus, domains) == 0
    assert domain_skew(pcpus, domains[:1]) == 550


def test_idle_is_lost_only_while_somebody_waits():
    script = Script().idled(0, 100).woke(40, 1).ran(100, 200, 1, "blocked").idled(200, 300)
    trace = script.trace(0, 300)
    parts = idle_intervals(trace), run_intervals(trace), runnable_intervals(trace)
    assert idle_while_runnable(*parts, trace.whole) == 60
    assert idle_while_runnable(*parts, Window(0, 50)) == 10
    assert idle_while_runnable(*parts, Window(250, 250)) == 0


def test_capacity_lost_is_idle_and_hypervisor():
    lost = capacity_lost(60, [Pcpu(0, 1000, 600, 100, 280, 20)])
    assert (lost.idle_while_runnable_ns, lost.hypervisor_ns, lost.share) == (60, 120, 0.18)
