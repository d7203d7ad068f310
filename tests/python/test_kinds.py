"""Memory and ring policies: in Python against the compiled ones, in the simulator, and refused where there are none."""

from __future__ import annotations

import random
from dataclasses import replace

import kind_oracles
import numpy as np
import pytest
from bulkhead.backend.check import overhead
from bulkhead.backend.qemu.prepare import prepare
from bulkhead.backend.sim import Costs, simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import event_number
from bulkhead.base.units import MIB
from bulkhead.cli.parse import parse_guest
from bulkhead.experiment.find import find
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Disk, Guest, Paging, Policy, TimelineEntry
from bulkhead.policy.memory import MemoryPolicy
from bulkhead.policy.ring import RingPolicy
from bulkhead.policy.scaffold import EXAMPLES, scaffold
from bulkhead.policy.tables import built_policies
from kind_machines import DISKS, MEMORIES, MILLISECOND

COSTS = Costs({"stop": 90, "pick": 200, "leave": 50, "interrupt": 60, "notify": 110, "wait": 80, "mark": 40})


def model(chance: random.Random) -> tuple[str, str]:
    """A random guest of either kind: kernel and command line."""
    number = chance.randrange
    return chance.choice(
        [
            ("model:disk", f"depth={number(1, 9)} bytes={512 * number(1, 200)} sequential={number(2)}"),
            ("model:disk", f"period_us={number(200, 3000)} depth={number(1, 65)}"),
            ("model:disk_flood", f"write={number(2)}"),
            ("model:memory", f"set_mib={number(1, 4)} grow_ms={number(9)} work_us={number(1, 90)}"),
            ("model:memory_hoard", f"stubborn={number(2)}"),
            ("model:memory_thrash", f"batch={number(1, 300)}"),
            ("model:idle_then_busy", f"busy_ms={number(1, 9)} idle_ms={number(9)} work_us={number(1, 90)}"),
            ("model:fork_bomb", f"child_pages={number(1, 65)} work_us={number(90)}"),
            ("workload:cpu_hog", "mark_ops=500"),
        ]
    )


def scenario(seed: int) -> Machine:
    """A random machine that the seed decides; memory is sometimes short."""
    chance = random.Random(seed)
    guests = tuple(
        Guest(f"g{i}", *model(chance), memory=chance.randint(4, 9) * MIB, weight=chance.randint(16, 1024))
        for i in range(chance.randint(1, 6))
    )
    names = [guest.name for guest in guests]
    timeline = tuple(
        TimelineEntry(
            chance.randrange(19 * MILLISECOND),
            chance.choice(("pause", "unpause", "destroy", "set_weight")),
            chance.choice(names),
            99,
        )
        for _ in range(chance.randint(0, 3))
    )
    return Machine(
        guests=guests,
        memory=chance.randint(86, 110) * MIB,
        dom0_memory=32 * MIB,
        memctl=Policy("first_fit"),
        duration=20 * MILLISECOND,
        timeline=timeline,
        seed=seed,
        disk=Disk(seek_us=chance.randint(0, 500), depth=chance.randint(1, 4)),
        paging=Paging(zones=chance.randint(1, 4), period_us=chance.randint(1000, 9000), swap_us=300),
        end_when_idle=False,
    )


def trace(machine: Machine) -> np.ndarray:
    """Its records, without those that say which policy was loaded from where."""
    records = simulate(machine, costs=COSTS).trace
    return records[records["event"] != event_number("policy_load")]


@pytest.mark.parametrize(
    ("field", "compiled", "oracle"),
    [("memctl", "first_fit", kind_oracles.FirstFit), ("ringctl", "fifo", kind_oracles.Fifo)],
)
def test_the_exemplar_decides_as_its_oracle(field, compiled, oracle) -> None:  # type: ignore[no-untyped-def]
    records = 0
    for seed in range(200):
        machine = scenario(seed)
        one = trace(replace(machine, **{field: Policy(compiled)}))
        other = trace(replace(machine, **{field: oracle.spec()}))
        assert len(one) == len(other) and (one == other).all(), f"seed {seed}"
        records += len(one)
    assert records > 100_000


@pytest.mark.parametrize("name", sorted(built_policies("ring")))
def test_every_ring_policy_serves_both_and_bills_them(name: str) -> None:
    run = simulate(replace(DISKS, ringctl=Policy(name)))
    taken, done = run.select("ring_request"), run.select("ring_complete")
    assert {1, 2} == set(done["domain"]) and len(taken) - len(done) <= 1
    assert all(pcpu.error_ns == 0 for pcpu in run.landmark.pcpus)
    for guest in ("a", "b"):
        account = run.landmark.ledger[guest]
        assert account.hypervisor_ns >= 10_000 * int((done["domain"] == account.domain).sum())
    assert ("ring", name, None) in [(p.kind, p.name, p.ejected) for p in run.landmark.policies]


@pytest.mark.parametrize("name", sorted(built_policies("memory")))
def test_every_memory_policy_keeps_the_books(name: str) -> None:
    run = simulate(replace(MEMORIES, memctl=Policy(name)))
    ledger, targets = run.landmark.ledger, run.select("memory_target")
    last = {row["domain"]: int(row["a"]) for row in targets}
    accounts = [ledger[guest] for guest in ("a", "b")]
    for account, guest in zip(accounts, run.machine.guests):
        assert 0 < account.frames_owned <= account.frames_peak <= guest.memory // 4096
        assert account.frames_owned <= last[account.domain]
    frames = (run.machine.memory - overhead(run.machine)) // 4096
    assert sum(account.frames_owned for account in accounts) <= sum(last.values()) <= frames
    assert all(pcpu.error_ns == 0 for pcpu in run.landmark.pcpus)
    assert ("memory", name, None) in [(p.kind, p.name, p.ejected) for p in run.landmark.policies]


def test_both_kinds_are_deterministic() -> None:
    machine = replace(scenario(5), memctl=Policy("idle_tax"), ringctl=Policy("sfq"))
    assert simulate(machine).trace_sha256 == simulate(machine).trace_sha256


@pytest.mark.parametrize(
    ("field", "kind", "machine", "mode", "why"),
    [
        ("ringctl", "ring", DISKS, 1, "wrong_answer"),
        ("ringctl", "ring", DISKS, 7, "trapped"),
        ("ringctl", "ring", DISKS, 8, "over_budget"),
        ("memctl", "memory", MEMORIES, 1, "wrong_answer"),
        ("memctl", "memory", MEMORIES, 10, "trapped"),
        ("memctl", "memory", MEMORIES, 11, "over_budget"),
    ],
)
def test_chaos_is_ejected_and_the_guests_go_on(
    field: str, kind: str, machine: Machine, mode: int, why: str
) -> None:
    run = simulate(replace(machine, **{field: Policy("chaos", {"mode": mode, "after": 20_000})}))
    (report,) = [policy for policy in run.landmark.policies if policy.kind == kind]
    assert (report.name, report.ejected) == ("chaos", why) and report.ejected_at >= 20 * MILLISECOND
    assert len(run.select("policy_eject")) == 1
    assert run.trace["time"][run.trace["event"] == event_number("mark")][-1] > report.ejected_at


def test_a_guest_that_does_not_fit_is_not_built() -> None:
    guests = tuple(Guest(f"g{i}", "workload:cpu_hog", memory=40 * MIB) for i in range(3))
    run = simulate(replace(MEMORIES, guests=guests, memctl=Policy("first_fit"), memory=110 * MIB))
    assert list(run.select("memory_admit")["a"]) == [1, 1, 0]
    assert run.landmark.ledger["g2"].run_ins == 0 and run.landmark.ledger["g0"].run_ins > 0


class BadMemory(kind_oracles.FirstFit):
    """Promises more than there is."""

    name = "bad_memory"

    def rebalance(self, domains, now):  # type: ignore[no-untyped-def]
        return [domain.most + 1 for domain in domains]


class ShortMemory(kind_oracles.FirstFit):
    """Forgets a domain."""

    name = "short_memory"

    def rebalance(self, domains, now):  # type: ignore[no-untyped-def]
        return []


class BadRing(kind_oracles.Fifo):
    """Raises in a hook."""

    name = "bad_ring"

    def next(self, now):  # type: ignore[no-untyped-def]
        raise KeyError("what went wrong")


class Nonsense(kind_oracles.Fifo):
    """Answers with a text."""

    name = "nonsense_ring"

    def next(self, now):  # type: ignore[no-untyped-def]
        return "a request"


def test_a_wrong_answer_of_a_python_policy_ejects_it() -> None:
    run = simulate(replace(MEMORIES, memctl=BadMemory.spec()))
    assert [p.ejected for p in run.landmark.policies if p.kind == "memory"] == ["wrong_answer"]


@pytest.mark.parametrize(
    ("machine", "error", "message"),
    [
        (replace(DISKS, ringctl=BadRing.spec()), KeyError, "what went wrong"),
        (replace(DISKS, ringctl=Nonsense.spec()), TypeError, "next must return"),
        (replace(MEMORIES, memctl=ShortMemory.spec()), TypeError, "rebalance must return"),
    ],
)
def test_what_a_hook_raises_ends_the_run(machine: Machine, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulate(machine)


def test_names_and_kinds_are_kept_apart() -> None:
    with pytest.raises(SpecError, match="memory policy Nameless: give it a name"):

        class Nameless(MemoryPolicy):
            pass

    with pytest.raises(SpecError, match="unknown Python ring policy 'first_fit'"):
        simulate(replace(DISKS, ringctl=kind_oracles.FirstFit.spec()))
    assert issubclass(kind_oracles.Fifo, RingPolicy)


def test_the_hypervisor_takes_ring_policies_and_no_models() -> None:
    prepare(Machine(guests=(Guest("a", "workload:cpu_hog"),), ringctl=Policy("fifo")))
    with pytest.raises(SpecError, match="exists in the simulator only"):
        prepare(DISKS)


def test_a_memory_policy_in_python_is_for_the_simulator() -> None:
    machine = Machine(guests=(Guest("a", "workload:cpu_hog"),), memctl=kind_oracles.FirstFit.spec())
    with pytest.raises(SpecError, match="memctl: python:.* runs only in the simulator"):
        prepare(machine)


def test_an_experiment_says_that_only_the_simulator_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    only = replace(find("weights"), simulator_only="it needs what only the simulator has")
    monkeypatch.setattr("bulkhead.experiment.runner.find", lambda name: only)
    with pytest.raises(SpecError, match="weights: it needs .*; run it in the simulator: --backend sim"):
        run_experiment(RunRequest("weights"))


def test_a_flood_is_felt_under_one_queue_only(tmp_path) -> None:  # type: ignore[no-untyped-def]
    request = RunRequest(
        "io_isolation", quick=True, sets=("ringctl=fifo,drr,mclock",), backend="sim", out=tmp_path
    )
    points = {
        (p.levels["ringctl"], p.levels["corunners"]): p.metrics for p in run_experiment(request).result.points
    }
    assert points["fifo", "flood"]["lost"] > 50
    assert points["drr", "flood"]["lost"] < 2 and points["mclock", "flood"]["lost"] < 2
    assert points["drr", "flood"]["latency"]["p99"] < 5 * MILLISECOND


HOARDED = Machine(
    guests=(
        Guest("hoarder", "workload:memory_hoard", memory=4 * MIB, max_memory=60 * MIB),
        Guest(
            "victim",
            "workload:memory",
            "set_mib=40 grow_ms=300 work_us=5",
            memory=4 * MIB,
            max_memory=48 * MIB,
        ),
    ),
    memory=180 * MIB,
    dom0_memory=32 * MIB,
    trace_bytes=64 * MIB,
    duration=2_500 * MILLISECOND,
    paging=Paging(swap_us=410),
    end_when_idle=False,
)


def frames_at_the_end(name: str, paging: Paging) -> int:
    run = simulate(replace(HOARDED, memctl=Policy(name), paging=paging))
    return run.landmark.ledger["victim"].frames_owned


def test_hoarded_memory_comes_back_under_a_tax_if_use_of_pages_is_sampled() -> None:
    sampled, blind = Paging(swap_us=410, by_force=2), Paging(swap_us=410, sampled=0, by_force=0)
    whole = 44 * 256
    assert frames_at_the_end("first_fit", sampled) < whole / 8
    assert frames_at_the_end("idle_tax", blind) < 0.8 * whole
    assert frames_at_the_end("idle_tax", sampled) == pytest.approx(whole, rel=0.001)


def test_frames_are_taken_by_force_only_where_that_is_possible() -> None:
    stubborn = replace(HOARDED.guests[0], cmdline="stubborn=1")
    machine = replace(HOARDED, guests=(stubborn, HOARDED.guests[1]), memctl=Policy("idle_tax"))
    by_force, asked = (
        simulate(replace(machine, paging=Paging(swap_us=410, by_force=force))) for force in (2, 1)
    )
    assert len(by_force.select("memory_reclaim")) > 10 and len(asked.select("memory_reclaim")) == 0
    assert asked.landmark.ledger["hoarder"].frames_owned > by_force.landmark.ledger["hoarder"].frames_owned


def test_colours_of_its_own_keep_a_guests_pages_in_the_modelled_cache(tmp_path) -> None:  # type: ignore[no-untyped-def]
    request = RunRequest("colored_cache", quick=True, backend="sim", out=tmp_path)
    points = {
        (p.levels["memctl"], p.levels["sweepers"]): p.metrics for p in run_experiment(request).result.points
    }
    assert points["coloring", 3]["lost"] < 2
    assert points["proportional_share", 3]["lost"] > 50
    alone = [points[policy, 0]["throughput"] for policy in ("coloring", "proportional_share")]
    assert alone[0] == pytest.approx(alone[1], rel=0.01), "its pages fit into its colours"


def test_a_guest_keeps_the_frames_that_it_begins_with() -> None:
    """As on the hypervisor: what a guest with `max_memory` starts with is its own, and it pages beside that."""
    guests = tuple(
        Guest(name, "workload:memory_hoard", memory=8 * MIB, max_memory=40 * MIB) for name in ("a", "b")
    )
    run = simulate(
        replace(
            HOARDED, guests=guests, memory=176 * MIB, memctl=Policy("first_fit"), duration=500 * MILLISECOND
        )
    )
    first = run.select("memory_grant", "b")[0]
    assert int(first["a"]) >= 8 * 256
    assert [run.landmark.ledger[name].frames_owned >= 8 * 256 for name in ("a", "b")] == [True, True]


@pytest.mark.parametrize("kind", ["memctl", "ringctl"])
def test_new_ones_are_the_exemplar_under_another_name(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = scaffold(kind, "my_own", tmp_path).read_text(encoding="utf-8")
    example = EXAMPLES[kind].source.stem
    assert "class MyOwn : public " in text and '.name = "my_own"' in text and text.startswith("// my_own: ")
    assert example not in text and len(EXAMPLES[kind].source.read_text("utf-8").splitlines()) <= 100


def test_parameters_of_a_guest_reach_their_policy() -> None:
    guest = parse_guest("kernel=model:disk,ringctl.rate=50,mem=4M")
    assert guest.name == "disk" and guest.ringctl == {"rate": 50}
    run = simulate(replace(DISKS, guests=(guest,), ringctl=Policy("token_bucket", {"burst": 1})))
    assert len(run.select("ring_request")) == pytest.approx(5, abs=1)
    with pytest.raises(SpecError, match="has no parameter of domains 'speed'"):
        simulate(replace(DISKS, guests=(replace(guest, ringctl={"speed": 1}),), ringctl=Policy("fifo")))
    with pytest.raises(SpecError, match="needs a memory policy"):
        simulate(replace(DISKS, guests=(replace(guest, ringctl={}, memctl={"min": 1}),)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disk": Disk(depth=0)}, "disk: depth=0 is not a whole number from 1 to 256"),
        ({"paging": Paging(zones=65)}, "paging: zones=65"),
        ({"disk": 7}, "disk=7 is not a Disk"),
        ({"guests": (Guest("x", "model:disk", "bytes=7"),)}, "option bytes: write 512 to"),
        ({"guests": (Guest("x", "model:memory", "set_mib=900"),)}, "has only 64 MiB"),
        ({"memory": 38 * MIB, "memctl": Policy("first_fit")}, "leave nothing for guests"),
    ],
)
def test_impossible_devices_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        simulate(replace(DISKS, **change))  # type: ignore[arg-type]
