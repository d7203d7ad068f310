"""The ideal schedule: water-filling, lag and progress skew."""

from fractions import Fraction

import pytest
from bulkhead.metrics import (
    Window,
    entitled_shares,
    fluid_schedule,
    jain,
    run_intervals,
    runnable_intervals,
    service_ratios,
)
from bulkhead.metrics.fluid import limit
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Script
from test_service import alternate


def fluid_of(trace, weights, **more):
    return fluid_schedule(run_intervals(trace), runnable_intervals(trace), trace.whole, weights, **more)


def test_weights_divide_one_pcpu():
    one = Fraction(1)
    assert entitled_shares({1: 1, 2: 2, 3: 4}, {1: one, 2: one, 3: one}, 1) == {
        1: Fraction(1, 7),
        2: Fraction(2, 7),
        3: Fraction(4, 7),
    }


def test_what_one_cannot_use_goes_to_the_others_by_weight():
    limits = {1: Fraction(1, 10), 2: Fraction(1), 3: Fraction(1)}
    assert entitled_shares({1: 256, 2: 256, 3: 512}, limits, 1) == {
        1: Fraction(1, 10),
        2: Fraction(3, 10),
        3: Fraction(6, 10),
    }


def test_one_vcpu_cannot_use_two_pcpus():
    assert entitled_shares({1: 1000, 2: 1}, {1: limit(1, 0), 2: limit(1, 0)}, 2) == {1: 1, 2: 1}


def test_cap_is_per_cent_of_one_pcpu():
    assert limit(2, 50) == Fraction(1, 2)
    assert limit(2, 0) == 2
    assert limit(1, 150) == 1


def test_nobody_runnable_is_entitled_to_nothing():
    assert entitled_shares({1: 256}, {1: Fraction(0)}, 1) == {1: 0}


rates = st.fractions(min_value=0, max_value=4, max_denominator=100)


@given(st.lists(st.tuples(st.integers(1, 65535), rates), min_size=1, max_size=6), st.integers(1, 4))
def test_water_filling_is_complete_and_fair(domains, capacity):
    weights = {i: weight for i, (weight, _) in enumerate(domains)}
    limits = {i: most for i, (_, most) in enumerate(domains)}
    got = entitled_shares(weights, limits, capacity)
    assert sum(got.values()) == min(Fraction(capacity), sum(limits.values()))
    assert all(0 <= got[i] <= limits[i] for i in got)
    levels = [got[i] / weights[i] for i in got if got[i] < limits[i]]
    assert len(set(levels)) <= 1, "all that could use more are at one level"
    if levels:
        assert all(got[i] / weights[i] <= levels[0] for i in got if got[i] == limits[i])


def test_lag_of_taking_turns_is_half_a_slice():
    fluid = fluid_of(alternate(100, 10), {1: 256, 2: 256})
    assert fluid.total(1) == (500.0, 500)
    assert fluid.largest_lag(1) == fluid.largest_lag(2) == 50
    assert fluid.progress_skew(1) == {"min": 0, "max": 50, "final": 0}
    assert fluid.progress_skew(2) == {"min": -50, "max": 0, "final": 0}


def test_lag_within_windows():
    fluid = fluid_of(alternate(100, 10), {1: 1, 2: 1})
    assert fluid.lag_in_windows(1, 100) == 50
    assert fluid.lag_in_windows(1, 200) == 0
    assert fluid.lag_in_windows(1, 2000) is None


def test_a_starved_domain_lags_by_all_it_was_due():
    trace = Script().woke(0, 1).woke(0, 2).ran(0, 1000, 1).trace(0, 1000)
    fluid = fluid_of(trace, {1: 256, 2: 768})
    assert fluid.total(2) == (750.0, 0)
    assert fluid.largest_lag(2) == 750
    ratios = service_ratios(fluid, [1, 2])
    assert ratios == {1: 4.0, 2: 0.0}
    assert jain(ratios) == pytest.approx(0.5)


def test_a_sleeper_is_entitled_only_while_it_is_runnable():
    script = (
        Script()
        .woke(0, 1)
        .ran(0, 600, 1, "slice_end")
        .woke(600, 2)
        .ran(600, 800, 2, "blocked")
        .ran(800, 1000, 1)
    )
    fluid = fluid_of(script.trace(0, 1000), {1: 1, 2: 1})
    assert fluid.total(2) == (100.0, 200)
    assert fluid.total(1) == (900.0, 800)


def test_time_that_the_hypervisor_keeps_makes_everyone_lag():
    script = Script().woke(0, 1).ran(0, 400, 1).ran(500, 1000, 1)
    fluid = fluid_of(script.trace(0, 1000), {1: 256})
    assert fluid.progress_skew(1) == {"min": -100, "max": 0, "final": -100}


def test_cap_limits_the_entitlement():
    trace = Script().woke(0, 1).ran(0, 1000, 1).trace(0, 1000)
    assert fluid_of(trace, {1: 256}, caps={1: 25}).total(1) == (250.0, 1000)


def test_two_pcpus():
    script = Script().woke(0, 1).woke(0, 2).ran(0, 1000, 1, pcpu=0).ran(0, 1000, 2, pcpu=1)
    fluid = fluid_of(script.trace(0, 1000), {1: 1, 2: 9}, pcpus=2)
    assert fluid.largest_lag(1) == fluid.largest_lag(2) == 0


def test_an_empty_window():
    trace = alternate(100, 4)
    fluid = fluid_schedule(run_intervals(trace), runnable_intervals(trace), Window(150, 150), {1: 1})
    assert fluid.total(1) == (0.0, 0)
    assert service_ratios(fluid, [1]) == {}


def test_jain_edges():
    assert jain([]) is None
    assert jain([0.0, 0.0]) is None
    assert jain([2.0, 2.0, 2.0]) == 1.0
    assert jain([1.0, 0.0, 0.0, 0.0]) == 0.25


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=20))
def test_jain_lies_between_one_nth_and_one(values):
    index = jain(values)
    assert index is not None
    assert 1 / len(values) - 1e-9 <= index <= 1 + 1e-9
