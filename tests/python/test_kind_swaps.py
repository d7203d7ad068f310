"""Memory and ring policies that take over from one another in mid-run: nothing is lost, and what was given to guests stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bulkhead.backend.check import overhead
from bulkhead.backend.sim import simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest, Policy, TimelineEntry
from bulkhead.policy.tables import kind_number
from kind_machines import DISKS, MEMORIES, MILLISECOND

KINDS = {"memory": "memctl", "ring": "ringctl"}


def swap(at_ms: int, kind: str, name: str, **parameters: int) -> TimelineEntry:
    return TimelineEntry(at_ms * MILLISECOND, "swap", policy=Policy(name, parameters), kind=kind)


def loads(run: Run, kind: str) -> list[int]:
    """When policies of a kind were loaded [ns]."""
    rows = run.select("policy_load")
    return [int(row["time"]) for row in rows if row["a"] == kind_number(kind)]


def served(run: Run, domain: int, since_ms: int, until_ms: int) -> int:
    """Requests of a domain that the device took, by time since the guests were built."""
    rows = run.select("ring_request")
    begin = run.landmark.started
    times = rows["time"][rows["domain"] == domain] - begin
    return int(((times >= since_ms * MILLISECOND) & (times < until_ms * MILLISECOND)).sum())


def test_a_ring_policy_takes_over_with_all_that_is_queued() -> None:
    machine = replace(
        DISKS,
        guests=(replace(DISKS.guests[0], weight=768), DISKS.guests[1]),
        ringctl=Policy("fifo"),
        duration=600 * MILLISECOND,
        timeline=(swap(200, "ring", "drr"), swap(400, "ring", "fifo")),
    )
    run = simulate(machine)
    assert run.trace_sha256 == simulate(machine).trace_sha256
    began, first, second = loads(run, "ring")
    assert began < first and abs(second - first - 200 * MILLISECOND) < MILLISECOND
    shares = [
        served(run, 1, begin, begin + 150) / max(served(run, 2, begin, begin + 150), 1)
        for begin in (40, 240, 440)
    ]
    assert shares[1] > 2 * shares[0] and shares[1] > 2 * shares[2]  # by weight between the two swaps only
    submitted, done = run.select("ring_submit"), run.select("ring_complete")
    numbers = {(int(row["domain"]), int(row["a"])) for row in done}
    lost = [row for row in submitted[:-128] if (int(row["domain"]), int(row["a"])) not in numbers]
    assert not lost and len(numbers) == len(done)
    assert [(p.name, p.ejected) for p in run.landmark.policies if p.kind == "ring"] == [("fifo", None)]


def test_weights_and_parameters_survive_swaps() -> None:
    guest = replace(DISKS.guests[0], cmdline="depth=4", ringctl={"rate": 100})
    machine = replace(
        DISKS,
        guests=(guest,),
        ringctl=Policy("token_bucket", {"burst": 1}),
        duration=900 * MILLISECOND,
        timeline=(swap(300, "ring", "fifo"), swap(600, "ring", "token_bucket", burst=1)),
    )
    run = simulate(machine)
    assert served(run, 1, 0, 300) == pytest.approx(30, abs=2)
    assert served(run, 1, 300, 600) > 400
    assert served(run, 1, 600, 900) == pytest.approx(30, abs=2)
    weighted = replace(
        DISKS,
        guests=(
            replace(guest, cmdline="depth=8", ringctl={}),
            Guest("b", "model:disk", "depth=8", memory=4 * MIB),
        ),
        ringctl=Policy("fifo"),
        duration=900 * MILLISECOND,
        timeline=(
            TimelineEntry(100 * MILLISECOND, "set_weight", "a", 1024),
            swap(300, "ring", "sfq"),
        ),
    )
    run = simulate(weighted)
    assert served(run, 1, 400, 900) == pytest.approx(4 * served(run, 2, 400, 900), rel=0.05)


def test_a_memory_policy_takes_over_with_all_frames() -> None:
    machine = replace(
        MEMORIES,
        guests=(MEMORIES.guests[0], replace(MEMORIES.guests[1], memory=40 * MIB)),
        memory=118 * MIB,
        memctl=Policy("first_fit"),
        duration=2000 * MILLISECOND,
        timeline=(swap(800, "memory", "idle_tax"),),
    )
    run = simulate(machine)
    assert len(loads(run, "memory")) == 2
    at = loads(run, "memory")[1]
    targets = run.select("memory_target")
    before, after = targets[targets["time"] < at], targets[targets["time"] >= at]
    assert len(after) > len(before) and int(after[after["domain"] == 2]["a"][-1]) > 1.5 * int(
        before[before["domain"] == 2]["a"][-1]
    )
    frames = sum(run.landmark.ledger[name].frames_owned for name in ("a", "b"))
    assert frames <= (machine.memory - overhead(machine)) // 4096
    assert [(p.name, p.ejected) for p in run.landmark.policies if p.kind == "memory"] == [("idle_tax", None)]


@pytest.mark.parametrize(("kind", "machine"), [("ring", DISKS), ("memory", MEMORIES)])
def test_a_successor_that_misbehaves_is_ejected_and_not_forgotten(kind: str, machine: Machine) -> None:
    exemplar = {"ring": "fifo", "memory": "first_fit"}[kind]
    run = simulate(
        replace(
            machine,
            **{KINDS[kind]: Policy(exemplar)},
            timeline=(swap(30, kind, "chaos", mode=1, after=0), swap(80, kind, exemplar)),
        )
    )
    (report,) = [policy for policy in run.landmark.policies if policy.kind == kind]
    assert (report.name, report.ejected) == ("chaos", "wrong_answer")
    assert len(loads(run, kind)) == 3


def test_a_live_machine_swaps_them_by_hand() -> None:
    machine = replace(DISKS, ringctl=Policy("fifo"), memctl=Policy("first_fit"))
    with machine.start(backend="sim") as live:
        live.run_until("30ms")
        done = live.swap_ring_policy("round_robin")
        assert (done.kind, done.policy) == ("ring", Policy("round_robin"))
        live.swap_memory_policy(Policy("idle_tax", {"tax": 50}))
        run = live.finish()
    assert {p.kind: p.name for p in run.landmark.policies}.items() >= {
        ("ring", "round_robin"),
        ("memory", "idle_tax"),
    }
    assert run.machine.run(backend="sim").trace_sha256 == run.trace_sha256


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (swap(1, "ring", "drr"), "name the ring policy that the run begins with, too \\(--ringctl\\)"),
        (swap(1, "disk", "drr"), "unknown kind of policy 'disk'; choose from memory, ring, scheduler"),
        (
            swap(1, "memory", "drr"),
            "'drr' is a ring policy, not a memory policy; choose from chaos, coloring",
        ),
        (swap(1, "memory", "idle_tax", tax=200), "tax=200 is outside 0 to 99 %"),
        (swap(1, "memory", "python:mine"), "only a plug-in can take over"),
    ],
)
def test_impossible_swaps_are_refused(entry: TimelineEntry, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        simulate(replace(DISKS, memctl=Policy("first_fit"), timeline=(entry,)))
