"""A simulated machine in the hands of a program: deterministic, repeatable, and clear about what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bulkhead import BulkheadError, Guest, Live, Machine, Policy, Run, SpecError, Timeline, rates

MIB = 1 << 20
MS = 1_000_000
MACHINE = Machine(
    guests=(
        Guest("a", "workload:cpu_hog", memory=4 * MIB),
        Guest("b", "workload:cpu_hog", memory=4 * MIB),
        Guest("late", "workload:cpu_hog", memory=4 * MIB),
    ),
    sched=Policy("credit"),
    timeline=Timeline().at("350ms", "create", "late"),
    duration=500 * MS,
    end_when_idle=False,
)


def steer(live: Live) -> Run:
    """Weights, a pause and two swaps."""
    live.run_until("100ms")
    live.set_weight("b", 768)
    live.swap_scheduler("stride")
    live.run_until("200ms")
    live.pause("a")
    live.advance("50ms")
    live.unpause("a")
    live.swap_scheduler(Policy("round_robin", {"slice": 2000}))
    return live.finish()


def start() -> Live:
    return MACHINE.start(backend="sim")


def test_the_same_program_gives_the_same_run_and_its_machine_repeats_it() -> None:
    with start() as live:
        run = steer(live)
        done = live.actions
    with start() as live:
        assert steer(live).trace_sha256 == run.trace_sha256
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256
    assert [action.action for action in done] == ["set_weight", "swap", "pause", "unpause", "swap"]
    assert all(action.done_at is not None and action.done_at >= action.ordered_at for action in done)
    assert [int(r["a"]) for r in run.select("policy_load")] == [1, 1, 1]
    assert run.landmark.policies[0].name == "round_robin"
    assert run.landmark.policies[0].parameters["slice"] == 2000


def test_what_was_done_works() -> None:
    with start() as live:
        first = live.run_until("100ms")
        live.set_weight("b", 768)
        second = live.advance("100ms")
        live.pause("a")
        paused = live.sample()
        third = live.advance("100ms")
        live.run_until("400ms")
        assert "late" in live.sample().domains, "what was planned happens all the same"
    shares = {row.name: row.cpu for row in rates(first, second).domains}
    # Two slices of 2 ms more or less of 100 ms.
    assert 71 / 29 <= shares["b"] / shares["a"] <= 79 / 21
    shares = {row.name: row.cpu for row in rates(paused, third).domains}
    assert shares["a"] == 0 and shares["b"] > 0.98
    assert first.exact and 100 * MS <= first.at < 102 * MS


def test_looking_changes_nothing() -> None:
    with start() as live:
        list(live.samples("10ms"))
        watched = live.finish()
    assert len([entry for entry in watched.machine.timeline if entry.action == "stop"]) >= 45
    plain = MACHINE.run(backend="sim")
    watch = MACHINE.watch(every=0.0001, backend="sim")
    samples = list(watch)
    assert samples[-1].state == "finished" and watch.run.trace_sha256 == plain.trace_sha256
    for sample in samples:
        assert sum(pcpu.error_ns for pcpu in sample.pcpus) == 0
        assert sum(row.guest_ns for row in sample.domains.values()) == sum(p.guest_ns for p in sample.pcpus)


def test_guests_that_are_gone_come_back_and_the_last_one_ends_the_run() -> None:
    machine = replace(MACHINE, timeline=(), end_when_idle=True)
    with machine.start(backend="sim") as live:
        live.advance("10ms")
        live.destroy("late")
        live.create("late")
        live.advance("10ms")
        assert live.sample().domains["late#2"].guest_ns > 0
        for name in ("a", "b"):
            live.destroy(name)
        assert not live.over
        assert live.destroy("late").done_at is None, "the run ended with it"
        assert live.over
        run = live.finish()
    assert run.exit_status == 0
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256


REFUSED: list[tuple[Callable[[Live], object], str]] = [
    (lambda live: live.swap_scheduler("kredit"), "unknown scheduler 'kredit'"),
    (lambda live: live.swap_scheduler(Policy("python:mine")), "unknown Python scheduler 'mine'"),
    (lambda live: live.pause("c"), "not a guest of this machine"),
    (lambda live: live.set_weight("a", 70000), "outside 1 to 65535"),
    (lambda live: live.run_until("1ms"), "1 ms is over; it is"),
    (lambda live: live.run_until("2s"), "after the end"),
    (lambda live: live.advance(1.5), "write whole nanoseconds"),  # type: ignore[arg-type]
    (lambda live: live.create("a"), "there already"),
    (lambda live: live.act("shutdown", "a"), "cannot be asked"),
    (lambda live: next(live.samples(0)), "more than 0"),
]


def test_bad_input_is_refused_and_changes_nothing() -> None:
    with start() as live:
        live.run_until("100ms")
        for wrong, message in REFUSED:
            with pytest.raises(SpecError, match=message):
                wrong(live)
        troubled = live.finish()
    with start() as live:
        live.run_until("100ms")
        assert live.finish().trace_sha256 == troubled.trace_sha256
        with pytest.raises(BulkheadError, match="the run is over"):
            live.pause("a")
    with pytest.raises(SpecError, match="unknown back end 'xen'"):
        MACHINE.start(backend="xen")


def test_what_cannot_be_done_is_said_and_the_machine_goes_on() -> None:
    with start() as live:
        live.destroy("b")
        with pytest.raises(BulkheadError, match="pause b at .*: the guest is not there any more"):
            live.pause("b")
        live.advance("10ms")
        run = live.end()
    assert run.exit_status == 0
    assert run.landmark.now < 400 * MS


def test_a_run_that_was_ended_repeats_without_the_guests_that_never_came() -> None:
    with start() as live:
        live.run_until("100ms")
        run = live.end()
    assert run.machine.absent == ("late",)
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256
