"""Weights, limits and reservations of guests that run, in the simulator: from the timeline and from a program."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkhead import (
    BulkheadError,
    Guest,
    GuestDisk,
    Live,
    Machine,
    Policy,
    Run,
    SpecError,
    TimelineEntry,
)
from bulkhead.backend.course import Course

MIB = 1 << 20
MS = 1_000_000
SECOND = 1_000 * MS


def user(name: str, **changes: object) -> Guest:
    return Guest(
        name,
        "workload:disk_flood",
        "for_ms=0",
        memory=8 * MIB,
        disks=(GuestDisk(2 * MIB),),
        **changes,  # type: ignore[arg-type]
    )


def machine(*timeline: TimelineEntry, policy: str = "mclock", **changes: object) -> Machine:
    return Machine(
        guests=(user("a", ringctl={"limit": 300} if policy == "mclock" else {}), user("b")),
        ringctl=Policy(policy),
        timeline=timeline,
        duration=2 * SECOND,
        end_when_idle=False,
        **changes,  # type: ignore[arg-type]
    )


def change(at_ms: int, guest: str = "a", kind: str = "ring", **parameters: int) -> TimelineEntry:
    return TimelineEntry(at_ms * MS, "set_parameters", guest, kind=kind, parameters=parameters)


def answered(run: Run, guest: str, begin_ms: int, end_ms: int) -> int:
    """Requests of a guest that its drive was done with between two instants."""
    times = run.select("ring_complete", guest)["time"] - run.landmark.started
    return int(((times > begin_ms * MS) & (times <= end_ms * MS)).sum())


def test_a_limit_and_a_reservation_hold_from_their_change_on() -> None:
    run = machine(
        change(600, limit=600), change(1200, limit=0, reservation=2000), change(1200, "b", limit=1000)
    ).run(backend="sim")
    assert answered(run, "a", 0, 600) == pytest.approx(180, abs=5)
    assert answered(run, "a", 650, 1150) == pytest.approx(300, rel=0.01, abs=1)
    assert answered(run, "a", 1250, 1950) >= 0.97 * 2000 * 0.7
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256


def steer(live: Live) -> Run:
    live.run_until("500ms")
    live.set_parameters("a", "ring", limit=600)
    live.run_until("1s")
    live.swap_ring_policy("token_bucket:rate=500")
    live.set_parameters("a", "ring", rate=100)
    live.run_until("1500ms")
    live.swap_ring_policy("mclock")
    return live.finish()


def test_a_swap_keeps_what_changed_where_the_new_policy_knows_it() -> None:
    with machine().start(backend="sim") as live:
        run = steer(live)
    assert answered(run, "a", 100, 500) == pytest.approx(120, rel=0.01, abs=1)
    assert answered(run, "a", 550, 950) == pytest.approx(240, rel=0.01, abs=1)
    assert answered(run, "a", 1100, 1500) == pytest.approx(40, abs=1)
    assert answered(run, "b", 1100, 1500) == pytest.approx(200, abs=2), "its own rate is the policy's"
    assert answered(run, "a", 1550, 1950) == pytest.approx(240, rel=0.01, abs=1), "as changed, not as given"
    assert [done.parameters for done in live.actions if done.action == "set_parameters"] == [
        {"limit": 600},
        {"rate": 100},
    ]
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256


REFUSED = [
    ({"limt": 3}, "ring", "policy mclock has no parameter of domains 'limt'; did you mean 'limit'"),
    ({"limit": -1}, "ring", "limit=-1 is outside 0 to 1000000 1/s"),
    ({"limit": 2_000_000}, "ring", "limit=2000000 is outside 0 to 1000000 1/s"),
    ({"reservation": 999_999}, "ring", "add up to 999999 requests per second; the drive serves at most"),
    ({"min": 8}, "memory", "the machine has no memory policy then"),
    ({"budget": 8}, "scheduler", "the machine has no scheduler then"),
    ({}, "ring", "name a parameter that changes"),
    ({"limit": 3}, "disk", "unknown kind of policy 'disk'"),
]


@pytest.mark.parametrize("parameters, kind, message", REFUSED)
def test_a_refused_change_is_one_line_and_changes_nothing(
    parameters: dict[str, int], kind: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        machine(change(500, kind=kind, **parameters)).run(backend="sim")
    assert "\n" not in str(refused.value)
    with machine().start(backend="sim") as live:
        live.run_until("500ms")
        with pytest.raises(SpecError, match=message):
            live.set_parameters("a", kind, **parameters)
        run = live.finish()
    assert answered(run, "a", 600, 1600) == pytest.approx(300, rel=0.01)


def test_a_guest_that_is_not_there_keeps_no_change() -> None:
    with pytest.raises(SpecError, match="not a guest of this machine"):
        machine(change(500, "c", limit=5)).run(backend="sim")
    with machine().start(backend="sim") as live:
        live.run_until("100ms")
        live.destroy("a")
        with pytest.raises(BulkheadError, match="the guest is not there any more"):
            live.set_parameters("a", "ring", limit=5)


def test_an_action_has_parameters_if_it_sets_them() -> None:
    for wrong in (
        TimelineEntry(5, "set_parameters", "a", kind="ring"),
        TimelineEntry(5, "pause", "a", kind="ring", parameters={"limit": 4}),
    ):
        with pytest.raises(SpecError, match="a set_parameters, and nothing else"):
            machine(wrong).run(backend="sim")


def test_reservations_count_together_and_less_is_always_right() -> None:
    reserved = machine(change(300, reservation=20_000), change(600, "b", reservation=6_000))
    with pytest.raises(SpecError, match="of a, b add up to 26000"):
        reserved.run(backend="sim")
    swapped = replace(
        reserved,
        timeline=(
            TimelineEntry(300 * MS, "swap", policy=Policy("token_bucket"), kind="ring"),
            change(600, reservation=5),
        ),
    )
    with pytest.raises(SpecError, match="token_bucket has no parameter of domains 'reservation'"):
        swapped.run(backend="sim")
    course = Course(replace(machine(), guests=(user("a", ringctl={"reservation": 30_000}), user("b"))))
    course.check(change(1, reservation=26_000))
    course.check(change(1, limit=10))
    with pytest.raises(SpecError, match="add up to 30001"):
        course.check(change(1, reservation=30_001))


def test_a_policy_with_fixed_values_takes_no_change() -> None:
    fixed = Machine(
        guests=(Guest("a", "workload:cpu_hog", memory=4 * MIB),), sched=Policy("rtds"), duration=100 * MS
    )
    with pytest.raises(SpecError, match="under rtds a guest keeps the parameters that it came with"):
        replace(fixed, timeline=(change(50, kind="scheduler", budget=2000),)).run(backend="sim")


def test_limits_of_memory_change_too() -> None:
    guests = tuple(
        Guest(name, "workload:cpu_hog", memory=64 * MIB, memctl={"max": most})
        for name, most in (("a", 16), ("b", 0))
    )
    given = Machine(
        guests=guests, memctl=Policy("min_max"), memory=256 * MIB, duration=2 * SECOND, end_when_idle=False
    )
    with given.start(backend="sim") as live:
        live.run_until("1s")
        live.set_parameters("a", "memory", max=32, min=24)
        live.run_until("1500ms")
        for wrong, message in (
            ({"min": 40}, "min=40 of a is above max=32"),
            ({"min": 4000, "max": 0}, "the reservations of a add up to 4000 MiB"),
        ):
            with pytest.raises(SpecError, match=message):
                live.set_parameters("a", "memory", **wrong)
        live.set_parameters("a", "memory", max=8, min=0)
        run = live.finish()
    targets = [int(record["a"]) // (MIB >> 12) for record in run.select("memory_target", "a")]
    assert targets == [16, 32, 8]
