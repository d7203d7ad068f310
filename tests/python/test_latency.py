"""Delays and their exact percentiles."""

import numpy as np
from bulkhead.base.schema import MARKS
from bulkhead.metrics import (
    Delays,
    Window,
    mark_values,
    open_loop,
    pair_marks,
    summarise,
    timer_lateness,
    wake_to_run,
)
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Script

CODES = MARKS
ALWAYS = Window(0, 10**9)


def of(*samples):
    return Delays(np.array(samples, dtype=np.int64), 0)


def test_percentiles_are_samples_by_nearest_rank():
    summary = summarise(of(*range(1000, 0, -1)))
    assert (summary.count, summary.min, summary.p50, summary.p99, summary.p999, summary.max) == (
        1000,
        1,
        500,
        990,
        999,
        1000,
    )


def test_percentiles_of_few():
    assert summarise(of(7)).p50 == summarise(of(7)).p999 == 7
    two = summarise(of(1, 100))
    assert (two.p50, two.p99, two.max) == (1, 100, 100)


def test_percentiles_of_none():
    summary = summarise(Delays(np.zeros(0, dtype=np.int64), 3))
    assert summary.count == 0 and summary.unfinished == 3
    assert summary.p50 is summary.p99 is summary.p999 is summary.max is summary.min is None


def test_what_never_ended_took_longer_than_everything_that_did():
    samples = np.arange(1, 91, dtype=np.int64)
    summary = summarise(Delays(samples, 10))
    assert (summary.p50, summary.p99, summary.max) == (50, None, None)
    assert summarise(Delays(samples, 1)).p99 is None
    assert summarise(Delays(np.arange(1, 1000, dtype=np.int64), 1)).p999 == 999


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_a_percentile_is_the_smallest_sample_with_enough_below(samples):
    summary = summarise(of(*samples))
    for permille, value in ((500, summary.p50), (990, summary.p99), (999, summary.p999)):
        assert value in samples
        assert sum(s <= value for s in samples) * 1000 >= permille * len(samples)
        assert sum(s < value for s in samples) * 1000 < permille * len(samples)


def test_wake_to_run_of_each_vcpu():
    script = (
        Script()
        .woke(10, 1)
        .woke(11, 1, vcpu=1)
        .ran(15, 20, 1, "blocked")
        .ran(25, 30, 1, "blocked", vcpu=1)
        .woke(40, 1)
        .ran(47, 50, 1)
    )
    trace = script.trace(0, 100)
    assert wake_to_run(trace, ALWAYS, 1).samples.tolist() == [5, 7, 14]
    assert wake_to_run(trace, ALWAYS, 1, vcpu=1).samples.tolist() == [14]
    assert wake_to_run(trace, ALWAYS, 2).samples.tolist() == []


def test_wake_to_run_counts_the_wake_that_never_ran_and_merges_doubles():
    script = Script().woke(10, 1).woke(12, 1).ran(15, 20, 1, "blocked").woke(40, 1)
    delays = wake_to_run(script.trace(0, 100), ALWAYS, 1)
    assert delays.samples.tolist() == [5]
    assert delays.unfinished == 1


def test_wake_to_run_does_not_take_another_vcpus_run():
    delays = wake_to_run(
        Script().woke(10, 1, vcpu=0).woke(12, 1, vcpu=1).ran(15, 20, 1, vcpu=1).trace(0, 100), ALWAYS, 1
    )
    assert delays.samples.tolist() == [3]
    assert delays.unfinished == 1


def test_a_wait_belongs_to_the_window_in_which_it_began():
    trace = Script().woke(10, 1).ran(50, 60, 1, "blocked").woke(70, 1).ran(90, 95, 1).trace(0, 100)
    assert wake_to_run(trace, Window(0, 40), 1).samples.tolist() == [40]
    assert wake_to_run(trace, Window(40, 100), 1).samples.tolist() == [20]


def test_a_run_without_a_wake_is_no_sample():
    assert wake_to_run(Script().ran(5, 9, 1).trace(0, 10), ALWAYS, 1).samples.tolist() == []


def marks(sent, seen):
    trace = Script().marks(1, "request_sent", sent).marks(2, "request_seen", seen).trace()
    return trace.marks(1, CODES["request_sent"]), trace.marks(2, CODES["request_seen"])


def test_requests_are_paired_by_sequence_number():
    delays = pair_marks(*marks([(10, 0), (20, 1), (30, 2)], [(13, 0), (90, 2), (95, 1)]), ALWAYS)
    assert delays.samples.tolist() == [3, 75, 60]
    assert delays.unfinished == 0


def test_missing_replies_are_counted_not_forgotten():
    delays = pair_marks(*marks([(10, 0), (20, 1), (30, 2)], [(13, 0)]), ALWAYS)
    assert delays.samples.tolist() == [3]
    assert delays.unfinished == 2
    assert pair_marks(*marks([(10, 0)], []), ALWAYS).unfinished == 1
    assert pair_marks(*marks([], [(10, 0)]), ALWAYS).unfinished == 0


def test_of_several_replies_the_first_counts_and_none_precedes_its_request():
    assert pair_marks(*marks([(10, 5)], [(12, 5), (40, 5)]), ALWAYS).samples.tolist() == [2]
    assert pair_marks(*marks([(10, 5)], [(9, 5)]), ALWAYS).unfinished == 1


def test_a_reply_after_the_window_still_belongs_to_its_request():
    sent, seen = marks([(10, 0), (20, 1)], [(50, 0), (60, 1)])
    assert pair_marks(sent, seen, Window(0, 15)).samples.tolist() == [40]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 500))), max_size=40),
    st.randoms(),
)
def test_pairing_recovers_what_was_built(plan, random):
    now, sent, seen = 0, [], []
    for number, (gap, delay) in enumerate(plan):
        now += gap
        sent.append((now, number))
        if delay is not None:
            seen.append((now + delay, number))
    random.shuffle(seen)
    delays = pair_marks(*marks(sent, seen), ALWAYS)
    assert delays.samples.tolist() == [delay for _, delay in plan if delay is not None]
    assert delays.unfinished == sum(delay is None for _, delay in plan)


def test_open_loop_counts_from_the_instant_a_request_was_due():
    script = Script().marks(1, "deadline", [(100, 100), (350, 200), (352, 300)])
    script.marks(1, "request_sent", [(101, 0), (351, 1), (353, 2)]).marks(
        1, "reply_received", [(110, 0), (360, 1), (365, 2)]
    )
    trace = script.trace()
    parts = [trace.marks(1, CODES[name]) for name in ("deadline", "request_sent", "reply_received")]
    assert open_loop(*parts, ALWAYS).samples.tolist() == [10, 160, 65]
    assert open_loop(*parts, Window(0, 250)).samples.tolist() == [10, 160]


def test_open_loop_without_deadlines_has_no_samples():
    trace = Script().marks(1, "request_sent", [(5, 0)]).marks(1, "reply_received", [(6, 0)]).trace()
    parts = [trace.marks(1, CODES[name]) for name in ("deadline", "request_sent", "reply_received")]
    assert open_loop(*parts, ALWAYS).samples.tolist() == []


def test_values_that_guests_measured_and_lateness_of_timers():
    script = Script().marks(1, "slept", [(10, 400), (20, 300)])
    script.add(30, "timer_fire", 1, a=25, b=5).add(40, "timer_fire", 2, a=20, b=20)
    trace = script.trace()
    assert mark_values(trace.marks(1, CODES["slept"]), Window(0, 15)).samples.tolist() == [400]
    assert timer_lateness(trace, ALWAYS, 1).samples.tolist() == [5]
