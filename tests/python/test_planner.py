"""Timetables: whatever is planned has no overlaps and gives every task its work in every period."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.base.errors import SpecError
from bulkhead.model.planner import Reservation, Slot, plan

PERIODS = (5_000, 10_000, 15_000, 20_000, 40_000)
TASKS = st.lists(st.tuples(st.integers(100, 20_000), st.sampled_from(PERIODS)), min_size=1, max_size=8)


def supply(slot: Slot, start: int, length: int) -> int:
    """What the slot holds of the window, us by brute force over its occurrences."""
    total, first = 0, start // slot.period_us - 1
    for k in range(first, (start + length) // slot.period_us + 1):
        begin = k * slot.period_us + slot.start_us
        total += max(0, min(start + length, begin + slot.length_us) - max(start, begin))
    return total


@given(TASKS, st.integers(1, 3))
def test_every_period_holds_its_work_and_nothing_overlaps(tasks: list[tuple[int, int]], pcpus: int) -> None:
    reservations = [Reservation(f"t{i}", work, period) for i, (work, period) in enumerate(tasks)]
    try:
        slots = plan(reservations, pcpus)
    except SpecError as error:
        assert "ask for less" in str(error)
        return
    for reservation in reservations:
        slot = slots[reservation.name]
        for phase in (0, 1, 137, slot.start_us, slot.start_us + 1, slot.start_us + slot.length_us):
            assert supply(slot, phase, reservation.period_us) >= reservation.work_us
    for pcpu in range(pcpus):
        own = sorted((s for s in slots.values() if s.pcpu == pcpu), key=lambda s: s.start_us)
        assert len({s.period_us for s in own}) <= 1
        for before, after in zip(own, own[1:]):
            assert before.start_us + before.length_us <= after.start_us
        assert not own or own[-1].start_us + own[-1].length_us <= own[-1].period_us


def test_all_of_a_processor_can_be_given_away() -> None:
    slots = plan([Reservation("a", 5_000, 10_000), Reservation("b", 10_000, 20_000)])
    assert slots["a"].length_us + slots["b"].length_us == slots["a"].period_us == 10_000


def test_a_delay_shortens_the_frame() -> None:
    slots = plan([Reservation("a", 1_000, 10_000, delay_us=2_000), Reservation("b", 8_000, 10_000)])
    assert slots["a"].longest_wait_us <= 2_000


@pytest.mark.parametrize(
    ("reservations", "said"),
    [
        (
            [Reservation("a", 6_000, 10_000), Reservation("b", 5_000, 10_000)],
            "need 11000 us in every 10000 us",
        ),
        ([Reservation("a", 100, 10_007), Reservation("b", 100, 10_000)], "no common frame"),
        ([Reservation("a", 100, 150, delay_us=10)], "no common frame"),
    ],
)
def test_what_does_not_fit_is_refused(reservations: list[Reservation], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan(reservations)
