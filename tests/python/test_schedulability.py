"""Demand and supply bounds against brute force: every release, every window and every placement of small cases."""

from __future__ import annotations

from itertools import combinations

import pytest
from bulkhead import Guest, Machine, Policy
from bulkhead.backend.doubts import doubts
from bulkhead.base.errors import SpecError
from bulkhead.model.planner import Slot
from bulkhead.model.schedulability import Server, Task, demand, first_overload, overlap, slot_supply
from hypothesis import given, settings
from hypothesis import strategies as st


@st.composite
def tasks(draw: st.DrawFn) -> list[Task]:
    def one() -> Task:
        period = draw(st.integers(1, 8))
        deadline = draw(st.integers(1, period))
        return Task(draw(st.integers(1, deadline)), period, deadline)

    return [one() for _ in range(draw(st.integers(1, 3)))]


def edf_misses(given_tasks: list[Task], supplied: list[bool]) -> bool:
    """Whether a deadline is missed if all are released at 0 and run by earliest deadline, one unit where it is supplied."""
    jobs: list[list[int]] = []  # deadline, work left
    for now, has_pcpu in enumerate(supplied):
        jobs += [[now + task.due, task.work] for task in given_tasks if now % task.period == 0]
        jobs = sorted(job for job in jobs if job[1])
        if jobs and jobs[0][0] <= now:
            return True
        if jobs and has_pcpu:
            jobs[0][1] -= 1
    return any(left and due <= len(supplied) for due, left in jobs)


@settings(max_examples=300, deadline=None)
@given(tasks())
def test_a_pcpu_meets_all_deadlines_if_no_window_is_overloaded(given_tasks: list[Task]) -> None:
    assert (first_overload(given_tasks) is not None) == edf_misses(given_tasks, [True] * 2000)


@settings(max_examples=100, deadline=None)
@given(tasks(), st.integers(1, 40))
def test_the_demand_bound_is_what_a_window_from_a_release_holds(given_tasks: list[Task], length: int) -> None:
    held = 0
    for task in given_tasks:
        held += sum(task.work for release in range(0, length, task.period) if release + task.due <= length)
    assert demand(given_tasks, length) == held


@pytest.mark.parametrize("period", range(1, 6))
def test_the_supply_bound_is_the_least_over_all_placements(period: int) -> None:
    """Each period's budget lies anywhere in it, so the worst case of a window is the worst of each of its periods."""
    for budget in range(1, period + 1):
        placements = list(combinations(range(period), budget))
        for length in range(1, 4 * period):
            least = min(
                sum(
                    min(
                        sum(begin <= index * period + unit < begin + length for unit in placed)
                        for placed in placements
                    )
                    for index in range(6)
                )
                for begin in range(period)
            )
            assert Server(budget, period).supply(length) == least, (budget, period, length)


@st.composite
def timetable(draw: st.DrawFn) -> list[Slot]:
    found: list[Slot] = []
    for _ in range(draw(st.integers(1, 3))):
        period = draw(st.sampled_from((4, 6, 12)))
        slot = Slot(draw(st.integers(0, 20)), draw(st.integers(1, period)), period, 0)
        if not any(overlap(slot, other) for other in found):
            found.append(slot)
    return found


def owned(slot: Slot, instant: int) -> bool:
    return (instant - slot.start_us) % slot.period_us < slot.length_us


@settings(max_examples=200, deadline=None)
@given(timetable(), st.integers(0, 40))
def test_the_supply_of_slots_is_the_least_over_all_windows(slots: list[Slot], length: int) -> None:
    least = min(
        sum(owned(slot, 100 + begin + t) for slot in slots for t in range(length)) for begin in range(24)
    )
    assert slot_supply(slots)(length) == least


slot_of = st.builds(
    lambda start, period, part: Slot(start, max(1, period * part // 100), period, 0),
    st.integers(0, 30),
    st.integers(1, 12),
    st.integers(1, 100),
)


@settings(max_examples=400, deadline=None)
@given(slot_of, slot_of)
def test_slots_overlap_if_they_share_an_instant(one: Slot, other: Slot) -> None:
    shared = any(owned(one, t) and owned(other, t) for t in range(200, 200 + 12 * 132))
    assert overlap(one, other) == shared


def machine(policy: str, *reserved: dict[str, int], pcpus: int = 1, **changes: object) -> Machine:
    guests = tuple(
        Guest(f"g{i}", "workload:cpu_hog", memory=4 << 20, sched=values) for i, values in enumerate(reserved)
    )
    return Machine(guests=guests, sched=Policy(policy), pcpus=pcpus, **changes)  # type: ignore[arg-type]


def test_reservations_that_fit_are_not_doubted() -> None:
    half = {"budget": 5000, "period": 10_000}
    assert doubts(machine("rtds", half, half)) == ()
    assert doubts(machine("rtds", half, half, half, half, pcpus=2)) == ()
    first, second = {"length": 5000}, {"length": 5000, "start": 5000}
    assert doubts(machine("table", first, second)) == ()
    assert doubts(machine("table", first, {**first, "pcpu": 1}, pcpus=2)) == ()


def test_reservations_that_are_more_than_there_is_are_named() -> None:
    most, half = {"budget": 6000, "period": 10_000}, {"budget": 10_000, "period": 20_000}
    assert doubts(machine("rtds", most, half)) == (
        "rtds: the reservations of g0, g1 add up to 1.10 of 1 pCPU, and want 22000 us in a window of 20000 us; "
        "ask for less, or give more pCPUs",
    )
    (line,) = doubts(machine("rtds", most, most, most, most, pcpus=2))
    assert "add up to 2.40 of 2 pCPUs" in line
    pinned = machine("rtds", most, half, pcpus=2)
    pinned = Machine(
        guests=tuple(
            Guest(g.name, g.kernel, memory=g.memory, sched=g.sched, affinity=(1,)) for g in pinned.guests
        ),
        sched=pinned.sched,
        pcpus=2,
    )
    (line,) = doubts(pinned)
    assert "add up to 1.10 of pCPU 1" in line


def test_overlapping_slots_are_named() -> None:
    one, other = {"length": 5000}, {"length": 2000, "start": 24_000, "period": 20_000}
    assert doubts(machine("table", one, other)) == (
        "table: the slots of g0 and g1 on pCPU 0 overlap; the one that ends first has that time",
    )
    (line,) = doubts(machine("table", {"length": 5000, "pcpu": 2}, pcpus=2))
    assert line == "table: g0 has its slot on pCPU 2, which the machine does not have; it has none"


@pytest.mark.parametrize(
    ("policy", "values", "words"),
    [
        ("rtds", {"budget": 3000, "period": 2000}, "guest g0: sched.budget=3000 is above sched.period=2000"),
        ("table", {"length": 20_000}, "guest g0: sched.length=20000 is above sched.period=10000"),
    ],
)
def test_more_than_a_period_in_a_period_is_refused(policy: str, values: dict[str, int], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        machine(policy, values).run(backend="sim")


def test_more_requests_than_the_drive_can_serve_are_named() -> None:
    guests = tuple(
        Guest(f"g{i}", "workload:cpu_hog", memory=4 << 20, ringctl={"reservation": 15_000}) for i in range(2)
    )
    (line,) = doubts(Machine(guests=guests, ringctl=Policy("mclock")))
    assert line == (
        "mclock: the reservations of g0, g1 add up to 30000 requests per second; the drive serves at most 25000"
    )
