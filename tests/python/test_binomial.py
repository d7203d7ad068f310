"""The interval of a sampled count is the one of the binomial distribution."""

from __future__ import annotations

import pytest
from bulkhead.metrics.binomial import central_interval
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


@given(st.integers(1, 600), st.floats(0.001, 0.999), st.sampled_from((0.5, 0.9, 0.95, 0.99)))
def test_it_has_the_quantiles_of_the_distribution(draws: int, part: float, level: float) -> None:
    low, high = central_interval(draws, part, level)
    tail = (1 - level) / 2
    below, above = stats.binom.cdf(low - 1, draws, part), stats.binom.sf(high, draws, part)
    assert below <= tail + 1e-9 and above <= tail + 1e-9
    assert stats.binom.cdf(low, draws, part) > tail - 1e-9
    assert stats.binom.sf(high - 1, draws, part) > tail - 1e-9


@pytest.mark.parametrize(("part", "hits"), [(0.0, 0), (1.0, 40)])
def test_what_is_certain_has_no_width(part: float, hits: int) -> None:
    assert central_interval(40, part) == (hits, hits)
