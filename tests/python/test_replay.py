"""A recorded trace as a workload of the simulator: its replay wants what the recorded guests wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead.backend.sim import simulate
from bulkhead.backend.sim.demand import demand, replay_machine
from bulkhead.base.errors import BulkheadError
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.model import storage
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Policy

MILLISECOND = 1_000_000
GUESTS = (
    Guest("victim", "workload:responder", "peer=pinger", memory=4 * MIB),
    Guest("pinger", "workload:pinger", "peer=victim", memory=4 * MIB),
    Guest("task", "workload:periodic", "period_us=3000 work_us=700", memory=4 * MIB, weight=512),
    Guest("bursts", "model:on_off", "on_us=900 off_us=2500", memory=4 * MIB),
)
RECORDED = simulate(
    Machine(guests=GUESTS, sched=Policy("credit"), duration=1000 * MILLISECOND, end_when_idle=False)
)


@pytest.mark.parametrize("sched", [None, Policy("round_robin"), Policy("stride")])
def test_the_replay_of_a_run_gives_the_same_demand(tmp_path: Path, sched: Policy | None) -> None:
    wanted = [demand(RECORDED, guest.name) for guest in GUESTS]
    replayed = simulate(replay_machine(RECORDED, wanted, tmp_path, sched))
    assert replayed.landmark.policies[0].name == (sched or RECORDED.machine.sched).name  # type: ignore[union-attr]
    for each in wanted:
        then, now = (run.landmark.ledger[each.name] for run in (RECORDED, replayed))
        used, used_again = (row.guest_ns + row.hypervisor_ns for row in (then, now))
        assert then.guest_ns < each.work_ns < used * 1.001
        # Whoever must wait comes late and does its work without a sleep between, under another scheduler more of it; at
        # the end of the run some is then not done yet.
        close = 0.005 if sched is None else 0.03
        little = 4_700 * each.sleeps  # a timer and its kick for each wake-up, where it was an event
        if sched is None:
            assert used_again == pytest.approx(used, rel=close, abs=little)
        again = demand(replayed, each.name)
        assert again.work_ns == pytest.approx(each.work_ns, rel=close, abs=little)
        if sched is None:
            assert again.sleeps == pytest.approx(each.sleeps, rel=0.15)


@pytest.mark.parametrize("corunner", ["tick_dodger", "timer_storm", "yield_storm", "cpu_hog"])
def test_under_the_recorded_scheduler_every_guest_waits_as_long(tmp_path: Path, corunner: str) -> None:
    guests = (
        Guest("task", "workload:periodic", "period_us=3000 work_us=700", memory=4 * MIB, weight=512),
        Guest("hog", "workload:cpu_hog", memory=4 * MIB),
        Guest("corunner", f"workload:{corunner}", memory=4 * MIB),
    )
    machine = Machine(
        guests=guests, sched=Policy("round_robin"), duration=500 * MILLISECOND, end_when_idle=False
    )
    recorded = simulate(machine)
    replayed = simulate(replay_machine(recorded, [demand(recorded, g.name) for g in guests], tmp_path))
    for guest in guests:
        then, now = (run.landmark.ledger[guest.name].waiting_ns for run in (recorded, replayed))
        assert now == pytest.approx(then, rel=0.03), guest.name


def test_parameters_of_domains_go_with_the_scheduler(tmp_path: Path) -> None:
    reserved = {"budget": 400, "period": 1000}
    guests = tuple(replace(guest, sched=reserved) if guest.name == "task" else guest for guest in GUESTS)
    machine = replace(RECORDED.machine, guests=guests, sched=Policy("rtds"), dom0_sched=reserved)
    recorded = simulate(machine)
    wanted = [demand(recorded, guest.name) for guest in guests]
    again = replay_machine(recorded, wanted, tmp_path)
    assert again.dom0_sched == reserved and again.guests[2].sched == reserved
    assert simulate(again).landmark.policies[0].name == "rtds"
    other = simulate(replay_machine(recorded, wanted, tmp_path, Policy("credit")))
    assert other.landmark.policies[0].name == "credit"


def test_episodes_are_the_guests_own(tmp_path: Path) -> None:
    (task,) = demand(RECORDED, "task").vcpus
    usual = sorted(episode.work for episode in task)[len(task) // 2]
    assert usual == pytest.approx(700_000, rel=0.02)
    assert sorted(b.wake - a.wake for a, b in zip(task, task[1:]))[len(task) // 2] == pytest.approx(
        3_000_000, rel=0.02
    )


def test_sleeps_may_keep_their_lengths_instead(tmp_path: Path) -> None:
    wanted = [demand(RECORDED, "task")]
    then = replay_machine(RECORDED, wanted, tmp_path, think=True)
    (task,) = demand(simulate(then), "task").vcpus
    (before,) = wanted[0].vcpus
    assert sorted(e.sleep for e in task)[len(task) // 2] == pytest.approx(
        sorted(e.sleep for e in before)[len(before) // 2], rel=0.02
    )


def test_every_vcpu_has_its_own(tmp_path: Path) -> None:
    steps = tmp_path / "two.steps"
    steps.write_text("1000000:4000000;2000000:3000000\n", encoding="ascii")
    guest = Guest("two", "model:replay", f"file={steps}", memory=4 * MIB, vcpus=2)
    run = simulate(
        Machine(guests=(guest,), sched=Policy("credit"), duration=500 * MILLISECOND, end_when_idle=False)
    )
    first, second = demand(run, "two").vcpus
    assert first[3].work == pytest.approx(1_000_000, rel=0.02)
    assert second[3].work == pytest.approx(2_000_000, rel=0.02)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage.save(RECORDED, tmp_path / "run")
    words = ["replay", str(tmp_path / "run"), "--sched", "eevdf", "--out", str(tmp_path / "again")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "| task |" in said and "victim.steps" in said
    assert storage.load(tmp_path / "again" / "run").landmark.policies[0].name == "eevdf"


@pytest.mark.parametrize(
    "words, message",
    [
        (["replay", "/nowhere"], "/nowhere holds no run"),
        (["replay", "RUN", "--guest", "nobody"], "no guest 'nobody' ran there"),
        (["replay", "RUN", "--sched", "nobody"], "unknown scheduler 'nobody'"),
    ],
)
def test_mistakes(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage.save(RECORDED, tmp_path / "run")
    words = [str(tmp_path / "run") if word == "RUN" else word for word in words]
    assert main([*words, "--out", str(tmp_path / "again")]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_file_that_holds_no_steps_is_named(tmp_path: Path) -> None:
    machine = replace(RECORDED.machine, guests=(Guest("x", "model:replay", "file=/nowhere", memory=4 * MIB),))
    with pytest.raises(BulkheadError, match="file=/nowhere holds no steps"):
        simulate(machine)
