"""Intervals from instants, also where the trace begins or ends in the middle of one."""

import pytest
from bulkhead.metrics import TraceError, Window, idle_intervals, run_intervals, runnable_intervals
from bulkhead.metrics.trace import Trace
from synthetic import STOP, Script


def pairs(intervals):
    return sorted(zip(intervals.start.tolist(), intervals.end.tolist()))


def test_run_intervals_are_paired_per_pcpu():
    script = (
        Script().ran(10, 30, domain=1, pcpu=0).ran(20, 50, domain=2, pcpu=1).ran(30, 40, domain=1, pcpu=0)
    )
    run = run_intervals(script.trace(0, 100))
    assert pairs(run.of_domain(1)) == [(10, 30), (30, 40)]
    assert pairs(run.of_domain(2)) == [(20, 50)]
    assert run.total == 60


def test_intervals_cut_by_the_ends_of_the_trace_reach_them():
    script = Script()
    script.add(20, "run_out", 1, a=STOP["slice_end"], b=500)
    script.ran(20, 30, domain=2)
    script.add(30, "run_in", 1)
    run = run_intervals(script.trace(5, 90))
    assert pairs(run.of_domain(1)) == [(5, 20), (30, 90)]


def test_an_empty_trace_has_no_intervals():
    trace = Script().trace()
    assert len(run_intervals(trace)) == len(idle_intervals(trace)) == len(runnable_intervals(trace)) == 0
    assert trace.whole == Window(0, 0)


def test_a_vcpu_that_leaves_where_another_came_is_refused():
    script = Script().add(10, "run_in", 1).add(20, "run_out", 2)
    with pytest.raises(TraceError, match="pCPU 0 at 20 ns"):
        run_intervals(script.trace())


def test_two_arrivals_in_a_row_are_refused():
    with pytest.raises(TraceError, match="do not alternate"):
        run_intervals(Script().add(10, "run_in", 1).add(20, "run_in", 1).trace())


def test_an_unsorted_trace_is_refused():
    trace = Script().ran(10, 20, 1).trace()
    with pytest.raises(TraceError, match="sorted"):
        Trace(trace.records[::-1], trace.schema)


def test_clip_keeps_parts_and_drops_what_is_outside():
    run = run_intervals(Script().ran(0, 10, 1).ran(10, 20, 1).ran(30, 40, 1).trace())
    assert pairs(run.clip(Window(5, 30))) == [(5, 10), (10, 20)]


def test_runnable_spans_slices_until_the_vcpu_blocks():
    script = Script().woke(10, 1).ran(15, 25, 1, "slice_end").ran(40, 60, 1, "blocked").woke(80, 1)
    assert pairs(runnable_intervals(script.trace(0, 100))) == [(10, 60), (80, 100)]


def test_runnable_before_the_trace_began():
    stopped_first = Script().add(20, "run_out", 1, a=STOP["blocked"])
    assert pairs(runnable_intervals(stopped_first.trace(5, 50))) == [(5, 20)]
    waited = Script().add(20, "run_in", 1, b=8).add(30, "run_out", 1, a=STOP["blocked"])
    assert pairs(runnable_intervals(waited.trace(0, 50))) == [(12, 30)]
    waited_longer_than_the_trace = (
        Script().add(20, "run_in", 1, b=100).add(30, "run_out", 1, a=STOP["blocked"])
    )
    assert pairs(runnable_intervals(waited_longer_than_the_trace.trace(15, 50))) == [(15, 30)]


@pytest.mark.parametrize("event", ["domain_pause", "domain_shutdown", "domain_destroy"])
def test_a_domain_that_is_stopped_wants_nothing(event):
    script = Script().woke(10, 1).woke(12, 1, vcpu=1).add(30, event, 1)
    assert pairs(runnable_intervals(script.trace(0, 50))) == [(10, 30), (12, 30)]


def test_a_second_wake_changes_nothing():
    script = Script().woke(10, 1).woke(20, 1).ran(30, 40, 1, "blocked")
    assert pairs(runnable_intervals(script.trace(0, 50))) == [(10, 40)]
