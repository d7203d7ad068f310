"""Weights, limits and reservations change while guests run, on the hypervisor and in the simulator alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from machines import MILLISECOND, assert_sound, boot, workload

from bulkhead import (
    MIB,
    SECOND,
    BulkheadError,
    Guest,
    GuestDisk,
    GuestNet,
    Machine,
    Policy,
    Run,
    TimelineEntry,
)
from bulkhead._core import parameter_key
from bulkhead.backend.course import Changes, Course

BACKENDS = ("qemu", "sim")


def flood(name: str, **changes: object) -> Guest:
    return workload(
        "disk_flood", "for_ms=0 depth=16", name=name, memory=8 * MIB, disks=(GuestDisk(2 * MIB),), **changes
    )


def change(at_ms: int, guest: str, kind: str = "ring", **parameters: int) -> TimelineEntry:
    return TimelineEntry(at_ms * MILLISECOND, "set_parameters", guest, kind=kind, parameters=parameters)


def answered(run: Run, guest: str, begin_ms: int, end_ms: int) -> int:
    times = run.select("ring_complete", guest)["time"] - run.landmark.started
    return int(((times > begin_ms * MILLISECOND) & (times <= end_ms * MILLISECOND)).sum())


LIMITED = Machine(
    guests=(flood("a", ringctl={"limit": 200}), flood("b", weight=1024)),
    ringctl=Policy("mclock"),
    memory=128 * MIB,
    duration=1500 * MILLISECOND,
    end_when_idle=False,
    timeline=(change(500, "a", limit=600), change(1000, "a", limit=0, reservation=1500)),
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_throughput_follows_a_limit_and_a_reservation(backend: str) -> None:
    run = LIMITED.run(backend=backend)
    assert answered(run, "a", 100, 500) == pytest.approx(80, rel=0.01, abs=1)
    assert answered(run, "a", 550, 950) == pytest.approx(240, rel=0.01, abs=1)
    assert answered(run, "a", 1050, 1450) == pytest.approx(600, rel=0.03), "beside four times its weight"
    if backend == "qemu":
        assert_sound(run)
        assert len(run.select("timeline")) == 2
    assert LIMITED.run(backend=backend).trace_sha256 == run.trace_sha256


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_swap_keeps_a_changed_rate_and_a_restart_forgets_it(backend: str) -> None:
    def swap(at_ms: int, name: str) -> TimelineEntry:
        return TimelineEntry(at_ms * MILLISECOND, "swap", policy=Policy(name), kind="ring")

    timeline = (
        change(200, "a", rate=300),
        swap(400, "fifo"),
        swap(500, "token_bucket"),
        TimelineEntry(1000 * MILLISECOND, "destroy", "a"),
        TimelineEntry(1010 * MILLISECOND, "create", "a"),
    )
    run = Machine(
        guests=(flood("a", ringctl={"rate": 100}),),
        ringctl=Policy("token_bucket", {"burst": 4}),
        memory=128 * MIB,
        duration=1600 * MILLISECOND,
        end_when_idle=False,
        timeline=timeline,
    ).run(backend=backend)
    assert answered(run, "a", 250, 390) == pytest.approx(0.140 * 300, abs=1)
    assert answered(run, "a", 550, 950) == pytest.approx(0.400 * 300, abs=1)
    lives = run.select("ring_complete")["time"] - run.landmark.started
    last = int(((lives > 1200 * MILLISECOND) & (lives <= 1500 * MILLISECOND)).sum())
    assert last == pytest.approx(30, abs=1), "another guest of that name has what it was given"


def test_a_packet_rate_changes_on_the_switch() -> None:
    nets = {"nets": (GuestNet(),), "memory": 8 * MIB}
    guests = (
        workload("udp_flood", "host=3 peer=4 for_ms=0", name="sends", ringctl={"limit": 500}, **nets),
        workload("udp_echo", "host=4 for_ms=0", name="takes", **nets),
    )
    run = boot(
        *guests,
        ringctl=Policy("mclock"),
        duration=SECOND,
        end_when_idle=False,
        timeline=(change(500, "sends", limit=1000),),
    )
    assert answered(run, "sends", 100, 500) == pytest.approx(200, rel=0.01, abs=1)
    assert answered(run, "sends", 550, 950) == pytest.approx(400, rel=0.01, abs=1)


# What no program would order, since Python refuses it: the hypervisor judges by itself, and so does the simulator.
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "changes, message",
    [
        ((3, [(12345, 7)]), "has no such parameter"),
        ((3, []), "has no such parameter"),
        (
            (3, [(parameter_key("limit", "1/s"), 5), (parameter_key("limit", "1/s"), 1 << 40)]),
            "out of its range",
        ),
        ((2, [(12345, 7)]), "nothing that such a policy decides"),
        ((9, [(12345, 7)]), "error 22"),
    ],
)
def test_a_senseless_order_is_refused_and_the_former_values_stay(
    backend: str, changes: Changes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Course, "check", lambda course, entry: None)
    monkeypatch.setattr(Course, "changes", lambda course, entry: changes)
    with replace(LIMITED, timeline=(), duration=700 * MILLISECOND).start(backend=backend) as live:
        live.run_until("200ms")
        with pytest.raises(BulkheadError, match=f"set_parameters a at .*: .*{message}"):
            live.set_parameters("a", "ring", limit=600)
        run = live.finish()
    assert answered(run, "a", 250, 650) == pytest.approx(80, rel=0.01, abs=1)


def test_a_program_is_told_of_a_refusal_and_the_former_values_stay() -> None:
    with LIMITED.start() as live:
        live.run_until("200ms")
        live.destroy("b")
        with pytest.raises(BulkheadError, match="set_parameters b at .*: the guest is not there any more"):
            live.set_parameters("b", "ring", limit=5)
