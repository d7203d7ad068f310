"""The back end `sim`: same kind of run, same schema, deterministic, and clear about what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bulkhead.backend.sim import Costs, models, simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import MARKS
from bulkhead.base.units import MIB
from bulkhead.experiment.answers import checksum, is_silent, reported
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Policy

MILLISECOND = 1_000_000


def hog(name: str, weight: int = 256) -> Guest:
    return Guest(name, "workload:cpu_hog", memory=4 * MIB, weight=weight)


MACHINE = Machine(
    guests=(hog("a"), hog("b", 512)),
    sched=Policy("credit"),
    duration=500 * MILLISECOND,
    end_when_idle=False,
)


def test_shares_follow_weights() -> None:
    run = simulate(MACHINE)
    ledger = run.landmark.ledger
    assert ledger["b"].guest_ns / ledger["a"].guest_ns == pytest.approx(2, rel=0.1)
    assert all(pcpu.error_ns == 0 for pcpu in run.landmark.pcpus)
    assert run.landmark.policies[0].name == "credit"


def test_same_machine_same_trace_and_another_seed_as_well_if_nothing_is_random() -> None:
    assert simulate(MACHINE).trace_sha256 == simulate(MACHINE).trace_sha256


def test_the_trace_is_not_copied() -> None:
    trace = simulate(MACHINE).trace
    assert trace.base is not None and not trace.flags.owndata


def test_a_machine_without_costs_wastes_nothing() -> None:
    run = simulate(replace(MACHINE, trace_groups=()), costs=Costs.none())
    assert run.landmark.pcpus[0].hypervisor_ns < 100_000
    assert len(run.trace) == 0


def test_a_hog_burns_on_every_vcpu_only_if_it_is_told_to() -> None:
    one = replace(hog("one"), vcpus=2)
    all_of_them = replace(hog("all"), vcpus=2, cmdline="all_vcpus=1")
    machine = replace(MACHINE, guests=(one, all_of_them), pcpus=3, sched=Policy("round_robin"))
    ledger = simulate(machine).landmark.ledger
    assert ledger["one"].guest_ns == pytest.approx(machine.duration, rel=0.1)
    assert ledger["all"].guest_ns == pytest.approx(2 * machine.duration, rel=0.1)


def test_jobs_print_their_right_answers() -> None:
    guests = (
        Guest("sums", "workload:checksum", "seed=7 steps=2500000", memory=4 * MIB),
        Guest("vectors", "workload:vector_state", "for_ms=50", memory=4 * MIB),
    )
    run = simulate(replace(MACHINE, guests=guests))
    wanted = {"steps": "2500000", "value": str(checksum(7, 2_500_000))}
    assert reported(run.consoles["sums"], "checksum", wanted)
    console = run.consoles["vectors"]
    assert (
        "RESULT name=vector_state rounds=" in console and "wrong" not in console
    ), "it keeps no vector registers"
    assert is_silent(console, "vector_state", {"wrong": "0"})
    assert not is_silent("", "vector_state", {"wrong": "0"}), "one that never ended failed"
    assert not is_silent("RESULT name=vector_state rounds=1 wrong=2", "vector_state", {"wrong": "0"})
    ledger = run.landmark.ledger["sums"]
    assert ledger.guest_ns == pytest.approx(4 * 2_500_000 * 4, rel=0.4), "its start is in it"
    assert ledger.shutdown_reason == 0


def test_a_dodger_may_learn_the_phase() -> None:
    dodger = Guest("dodger", "workload:tick_dodger", "phase_us=5000 learn_ms=100", memory=4 * MIB)
    machine = replace(
        MACHINE, guests=(dodger, hog("a")), sched=Policy("credit_sampled"), duration=1000 * MILLISECOND
    )
    taught = simulate(machine).landmark.ledger["dodger"].guest_ns
    wrong = replace(dodger, cmdline="phase_us=5000")
    untaught = simulate(replace(machine, guests=(wrong, hog("a")))).landmark.ledger["dodger"].guest_ns
    assert taught > untaught, "it is seen by the tick only where it does not know it"


def test_nested_faults_end_a_guest_with_a_crash() -> None:
    fault = Guest("fault", "workload:loop_fault", "nested=1", memory=4 * MIB)
    assert simulate(replace(MACHINE, guests=(fault,), end_when_idle=True)).exit_status == 3


def test_domain_0_has_the_schedulers_parameters_too() -> None:
    reserved = {"budget": 400, "period": 1000}
    machine = replace(MACHINE, guests=(hog("a"),), sched=Policy("rtds"))
    plain, given = simulate(machine), simulate(replace(machine, dom0_sched=reserved))
    assert plain.trace_sha256 != given.trace_sha256, "who has a reservation runs before who has none"
    with pytest.raises(SpecError, match="rtds has no parameter of domains 'no_such'"):
        simulate(replace(machine, dom0_sched={"no_such": 1}))


def test_an_experiment_runs_end_to_end(tmp_path) -> None:  # type: ignore[no-untyped-def]
    outcome = run_experiment(
        RunRequest("noisy_neighbour", quick=True, sets=("hogs=0,2",), backend="sim", out=tmp_path)
    )
    assert outcome.result.backend == "sim"
    assert {point.ledger.skew_ns for point in outcome.result.points} == {0}


def test_a_workload_without_a_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(models._ROWS, "garbage")
    machine = replace(MACHINE, guests=(Guest("x", "workload:garbage", memory=4 * MIB),))
    with pytest.raises(SpecError, match="no model of workload 'garbage'"):
        simulate(machine)


@pytest.mark.parametrize(
    "kernel, cmdline, message",
    [
        ("/usr/lib/grub-xen/grub-x86_64-xen.bin", "", "runs no kernels"),
        ("model:no_such", "", "unknown model 'no_such'"),
        ("model:sporadic", "nonsense=1", "no option 'nonsense'"),
        ("model:replay", "", "needs steps="),
        ("model:sporadic", "gap_us=x", "write a whole number"),
        ("workload:pinger", "peer=nobody", "no guest has that name"),
    ],
)
def test_what_it_cannot_simulate_is_refused_in_one_line(kernel: str, cmdline: str, message: str) -> None:
    machine = replace(MACHINE, guests=(Guest("x", kernel, cmdline, memory=4 * MIB),))
    with pytest.raises(SpecError, match=message):
        simulate(machine)


def test_sporadic_releases_keep_their_distance() -> None:
    guest = Guest("rare", "model:sporadic", "gap_us=500 mean_us=900 work_us=40", memory=4 * MIB)
    run = simulate(replace(MACHINE, guests=(guest,), duration=2000 * MILLISECOND))
    releases = run.select("mark", "rare", MARKS["deadline"])["b"].astype(np.int64)
    distances = np.diff(releases)
    assert distances.min() >= 500_000
    assert distances.mean() == pytest.approx(1_400_000, rel=0.15)


def test_bursts_and_pauses_have_their_means() -> None:
    guest = Guest("bursts", "model:on_off", "on_us=700 off_us=900", memory=4 * MIB)
    run = simulate(replace(MACHINE, guests=(guest,), duration=4000 * MILLISECOND))
    bursts = len(run.select("mark", "bursts", MARKS["operations"]))
    assert run.landmark.ledger["bursts"].guest_ns / bursts == pytest.approx(700_000, rel=0.15)
    assert 4_000_000_000 / bursts == pytest.approx(1_600_000, rel=0.15)
