"""CPU time received, starvation and least supply, on schedules known by construction."""

import numpy as np
from bulkhead.metrics import (
    Window,
    least_service,
    longest_gap,
    longest_wait,
    received,
    run_intervals,
    runnable_intervals,
    shares,
)
from bulkhead.metrics.service import ServiceCurve
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Script


def alternate(slice_ns, turns, domains=2):
    """Domains take turns of one slice, always runnable."""
    script = Script()
    for domain in range(1, domains + 1):
        script.woke(0, domain)
    for turn in range(turns):
        script.ran(turn * slice_ns, (turn + 1) * slice_ns, 1 + turn % domains)
    return script.trace(0, turns * slice_ns)


def test_shares_of_two_that_alternate_are_exact():
    run = run_intervals(alternate(100, 10))
    assert received(run, Window(0, 1000), [1, 2, 9]) == {1: 500, 2: 500, 9: 0}
    assert shares(run, Window(0, 1000), [1, 2], pcpus=1) == {1: 0.5, 2: 0.5}
    assert shares(run, Window(0, 1000), [1], pcpus=2) == {1: 0.25}


def test_a_window_cuts_a_slice():
    run = run_intervals(alternate(100, 10))
    assert received(run, Window(50, 250), [1, 2]) == {1: 100, 2: 100}


def test_an_empty_window_has_no_share():
    assert shares(run_intervals(alternate(100, 2)), Window(50, 50), [1], 1) == {1: 0.0}


def test_longest_gap_counts_the_ends_of_the_window():
    run = run_intervals(Script().ran(40, 50, 1).ran(60, 70, 1).trace(0, 200))
    assert longest_gap(run, Window(0, 200)) == 130
    assert longest_gap(run, Window(0, 80)) == 40
    assert longest_gap(run.of_domain(2), Window(0, 80)) == 80


def test_longest_wait_leaves_sleep_out():
    script = (
        Script()
        .woke(0, 1)
        .ran(30, 40, 1, "blocked")
        .woke(100, 1)
        .ran(105, 110, 1, "slice_end")
        .ran(120, 125, 1, "blocked")
    )
    trace = script.trace(0, 300)
    run, runnable = run_intervals(trace), runnable_intervals(trace)
    assert longest_wait(run, runnable, trace.whole) == 30
    assert longest_wait(run, runnable, Window(50, 300)) == 10


def test_longest_wait_sees_a_vcpu_that_never_ran():
    trace = Script().woke(10, 1).ran(0, 100, 2).trace(0, 100)
    run, runnable = run_intervals(trace), runnable_intervals(trace)
    assert longest_wait(run.of_domain(1), runnable.of_domain(1), trace.whole) == 90


def test_longest_wait_of_nobody_is_zero():
    trace = Script().trace(0, 10)
    assert longest_wait(run_intervals(trace), runnable_intervals(trace), trace.whole) == 0


def test_least_service_of_taking_turns():
    run = run_intervals(alternate(100, 10)).of_domain(1)
    whole = Window(0, 1000)
    assert least_service(run, whole, 100) == 0
    assert least_service(run, whole, 200) == 100
    assert least_service(run, whole, 250) == 100
    assert least_service(run, whole, 1001) is None


stays = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=12)


@given(stays, st.integers(1, 60))
def test_least_service_is_the_least_of_all_windows(gaps, length):
    script, now = Script(), 0
    for gap, stay in gaps:
        script.ran(now + gap, now + gap + stay, 1)
        now += gap + stay
    trace = script.trace(0, now + 10)
    run = run_intervals(trace)
    window = trace.whole
    curve = ServiceCurve(run, window)
    ran = np.zeros(window.length + 1, dtype=np.int64)
    for start, end in zip(run.start, run.end):
        ran[start + 1 : end + 1] = 1
    truth = np.cumsum(ran)
    assert curve.at(np.arange(window.length + 1)).tolist() == truth.tolist()
    found = least_service(run, window, length)
    if length > window.length:
        assert found is None
    else:
        assert found == int((truth[length:] - truth[:-length]).min())
