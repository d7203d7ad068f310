"""What is read from a trace about schedulers that take over from one another, on traces whose answers are known."""

import numpy as np
import pytest
from bulkhead.metrics import Window, run_intervals, runnable_intervals
from bulkhead.metrics.takeover import (
    aftermath,
    on_pcpus,
    shares_at,
    spans,
    takeovers,
    twice_at_once,
    waiting_error,
)
from synthetic import Script

SCHEDULER, MEMORY = 0, 1


def swapped(script):
    """Loads at 0 (the start), 100 and 200 of schedulers, and one of another kind."""
    for time, kind in ((0, SCHEDULER), (5, MEMORY), (100, SCHEDULER), (200, SCHEDULER)):
        script.add(time, "policy_load", a=kind)
    return script.trace(start=0, end=300)


def test_the_first_scheduler_and_other_kinds_took_over_from_nobody():
    trace = swapped(Script())
    assert takeovers(trace, SCHEDULER).tolist() == [100, 200]
    assert spans(takeovers(trace, SCHEDULER), trace.whole) == [
        Window(0, 100),
        Window(100, 200),
        Window(200, 300),
    ]


def test_who_comes_back_is_not_lost():
    trace = swapped(Script().woke(10, 1).ran(20, 100, 1, "preempted").ran(130, 290, 1, "blocked"))
    after = aftermath(run_intervals(trace), runnable_intervals(trace), Window(100, 200))
    assert (after.wanted, after.lost, after.longest_return) == (1, 0, 30)


def test_who_never_runs_again_is_lost_once_per_span():
    trace = swapped(Script().woke(10, 1).ran(20, 100, 1, "preempted"))
    run, runnable = run_intervals(trace), runnable_intervals(trace)
    assert [aftermath(run, runnable, Window(*edges)).lost for edges in ((100, 200), (200, 300))] == [1, 1]


@pytest.mark.parametrize("why", ["blocked", "paused", "gone"])
def test_who_did_not_want_to_run_is_not_missed(why):
    trace = swapped(Script().woke(10, 1).ran(20, 90, 1, why))
    assert aftermath(run_intervals(trace), runnable_intervals(trace), Window(100, 200)).wanted == 0


def test_who_is_paused_while_it_waits_is_not_lost():
    script = Script().woke(10, 1).ran(20, 100, 1, "preempted").add(150, "domain_pause", 1)
    trace = swapped(script)
    after = aftermath(run_intervals(trace), runnable_intervals(trace), Window(100, 200))
    assert (after.wanted, after.lost) == (1, 0)


def test_one_vcpu_on_two_pcpus_is_seen_and_two_vcpus_are_fine():
    apart = Script().ran(10, 50, 1, pcpu=0).ran(50, 90, 1, pcpu=1).ran(20, 80, 1, vcpu=1, pcpu=2)
    assert twice_at_once(run_intervals(apart.trace(0, 100))) == 0
    together = Script().ran(10, 50, 1, pcpu=0).ran(43, 90, 1, pcpu=1)
    assert twice_at_once(run_intervals(together.trace(0, 100))) == 7


def test_who_runs_at_the_instant_of_a_takeover_is_counted():
    run = run_intervals(Script().ran(10, 100, 1).ran(101, 250, 2).trace(0, 300))
    assert on_pcpus(run, np.array([100])) == 0
    assert on_pcpus(run, np.array([100, 200])) == 1


def test_an_account_that_began_anew_shows():
    trace = Script().woke(0, 1).ran(40, 100, 1).trace(0, 100)
    run, runnable = run_intervals(trace), runnable_intervals(trace)
    assert waiting_error(run, runnable, {1: 40}) == 0
    assert waiting_error(run, runnable, {1: 10}) == pytest.approx(0.3)


def test_shares_over_time():
    run = run_intervals(Script().ran(0, 10, 1).ran(25, 30, 1).trace(0, 40))
    assert shares_at(run, Window(0, 40), 1, 10, 2) == {5: 0.5, 15: 0, 25: 0.25, 35: 0}
