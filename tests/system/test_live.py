"""A machine is looked into while it runs, and steered, without its noticing more than is done to it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from machines import MILLISECOND, assert_sound, said, scheduler, workload

from bulkhead import BulkheadError, Live, Machine, Policy, Run, Sample, SpecError, Timeline, rates

MACHINE = Machine(
    guests=(
        workload("pinger", "peer=responder period_us=1000"),
        workload("responder", "peer=pinger"),
        workload("cpu_hog", name="hog"),
        workload("compute", name="late", start_paused=True),
    ),
    sched=scheduler(),
    pcpus=2,
    duration=300 * MILLISECOND,
    timeline=Timeline().at("20ms", "unpause", "late"),
)


def steer(live: Live) -> Run:
    """A program that does a little of everything."""
    assert live.now < MILLISECOND and not live.over
    live.run_until("60ms")
    live.swap_scheduler("credit2")
    live.set_weight("hog", 512)
    live.pause("hog")
    paused = live.advance("30ms")
    assert paused.exact
    live.unpause("hog")
    live.swap_scheduler(Policy("round_robin", {"slice": 2000}))
    live.run_until("110ms")
    live.destroy("late")
    live.swap_scheduler("credit")
    live.create("late")
    live.unpause("late")
    return live.finish()


@pytest.fixture(scope="module")
def steered() -> Run:
    """A steered run, and everything that is refused on the way: none of it may leave a trace."""
    with MACHINE.start() as live:
        for wrong, message in WRONG:
            with pytest.raises(SpecError, match=message):
                wrong(live)
        return steer(live)


WRONG: list[tuple[Callable[[Live], object], str]] = [
    (lambda live: live.swap_scheduler("credit3"), "unknown scheduler 'credit3'; did you mean"),
    (lambda live: live.swap_scheduler("credit:tslice=1"), "has no parameter 'tslice'"),
    (lambda live: live.swap_scheduler(Policy("round_robin", {"slice": 1})), "slice=1 is outside"),
    (lambda live: live.pause("hug"), "'hug', which is not a guest of this machine; did you mean 'hog'"),
    (lambda live: live.set_weight("hog", 0), "0 is outside 1 to 65535"),
    (lambda live: live.set_affinity("hog", 4), "not a mask of the machine's 2 pCPUs"),
    (lambda live: live.run_until(-1), "is over; it is"),
    (lambda live: live.run_until("1s"), "after the end; the machine's duration is 300 ms"),
    (lambda live: live.run_until("soon"), "'soon' is not a duration"),
    (lambda live: live.advance(-5), "back in time"),
    (lambda live: live.create("hog"), "is there already"),
    (lambda live: live.act("stop"), "stands still already"),
    (lambda live: live.act("explode"), "unknown timeline action 'explode'"),
]


def told(run: Run) -> list[tuple[int, int]]:
    """The timeline records but the stops: action and guest, in order."""
    stop = 13
    return [(int(r["a"]), int(r["b"])) for r in run.select("timeline") if int(r["a"]) != stop]


def test_what_was_done_is_in_the_trace_and_in_the_run(steered: Run) -> None:
    assert_sound(steered)
    assert len(steered.select("policy_load")) == 4, said(steered)
    assert [entry.action for entry in steered.machine.timeline if entry.action != "stop"] == [
        "unpause",
        "swap",
        "set_weight",
        "pause",
        "unpause",
        "swap",
        "destroy",
        "swap",
        "create",
        "unpause",
    ]
    assert len(told(steered)) == 10
    assert steered.landmark.ledger["hog"].weight == 512
    assert steered.landmark.ledger["late"].state == "gone"
    assert steered.landmark.ledger["late#2"].guest_ns > 0


def test_the_run_s_machine_repeats_it_to_the_bit(steered: Run) -> None:
    again = steered.machine.run()
    assert again.trace_sha256 == steered.trace_sha256
    assert again.landmark == steered.landmark
    assert again.consoles == steered.consoles


def test_the_same_program_gives_the_same_run_and_its_actions_serve_as_a_plain_timeline(steered: Run) -> None:
    with MACHINE.start() as live:
        again = steer(live)
        done = live.actions
    assert again.trace_sha256 == steered.trace_sha256
    assert all(action.done_at is not None and action.done_at >= action.ordered_at for action in done)
    plain = tuple(entry for entry in again.machine.timeline if entry.action != "stop")
    run = replace(MACHINE, timeline=plain).run()
    assert_sound(run)
    assert told(run) == told(steered)
    assert run.landmark.ledger["hog"].weight == 512 and "late#2" in run.landmark.ledger


def test_a_run_that_is_over_takes_no_orders_and_loses_nothing() -> None:
    machine = replace(MACHINE, guests=(workload("compute", "for_ms=20"),), timeline=())
    with machine.start() as live:
        live.run_until("200ms")
        assert live.over
        with pytest.raises(BulkheadError, match="the run is over"):
            live.pause("compute")
        run = live.finish()
        assert live.finish() is run
    assert run.exit_status == 0 and run.machine.run().trace_sha256 == run.trace_sha256
    with machine.start() as live:
        assert live.end().exit_status == 0
    with machine.start() as live:
        pass
    with pytest.raises(BulkheadError, match="closed before it was finished"):
        live.run_until("10ms")


def test_a_watched_run_has_the_trace_of_an_unwatched_one() -> None:
    watch = MACHINE.watch(every=0.02)
    samples = list(watch)
    running = [sample for sample in samples if sample.at >= 0 and sample.state == "running"]
    assert len(running) >= 3
    assert sum(sample.exact for sample in running) > len(running) // 2
    for before, after in zip(running, running[1:]):
        check_interval(before, after)
    assert watch.run.trace_sha256 == MACHINE.run().trace_sha256


def check_interval(before: Sample, after: Sample) -> None:
    """What two samples of a running machine say of the time between them."""
    assert after.at >= before.at
    between = rates(before, after)
    if before.exact and after.exact and between.seconds > 0:
        used = sum(row.cpu + row.hypervisor for row in between.domains)
        assert used + between.idle + between.unbilled == pytest.approx(1, abs=1e-9)
    for row in between.domains:
        assert 0 <= row.cpu <= 1 and row.waiting >= 0 and row.hypercalls >= 0


def test_boot_shows_lines_where_there_is_no_terminal(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    words = (
        "boot",
        "--guest",
        "kernel=workload:cpu_hog,name=hog,mem=16M",
        "--for",
        "200ms",
        "--sched",
        "credit",
    )
    watched, plain = command(*words, "--watch"), command(*words)
    assert watched.returncode == plain.returncode == 5
    assert "   hog " in watched.stderr, watched.stderr
    assert "200 ms, time over; credit; idle" in " ".join(watched.stderr.split()), watched.stderr
    assert watched.stdout.splitlines()[-1] == plain.stdout.splitlines()[-1], "the same trace"
