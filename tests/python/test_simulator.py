"""The back end `sim`: same kind of run, same schema, deterministic, and clear about what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bulkhead.experiment.runner import Request, run_experiment
from bulkhead.sim import Costs, simulate
from bulkhead.spec import MIB, GuestSpec, Machine, PolicySpec, SpecError

MILLISECOND = 1_000_000


def hog(name: str, weight: int = 256) -> GuestSpec:
    return GuestSpec(name, "workload:cpu_hog", memory=4 * MIB, weight=weight)


MACHINE = Machine(
    guests=(hog("a"), hog("b", 512)),
    sched=PolicySpec("credit"),
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


def test_an_experiment_runs_end_to_end(tmp_path) -> None:  # type: ignore[no-untyped-def]
    outcome = run_experiment(
        Request("noisy_neighbour", quick=True, sets=("hogs=0,2",), backend="sim", out=tmp_path)
    )
    assert outcome.result.backend == "sim"
    assert {point.ledger.skew_ns for point in outcome.result.points} == {0}


@pytest.mark.parametrize(
    "kernel, cmdline, message",
    [
        ("/usr/lib/grub-xen/grub-x86_64-xen.bin", "", "runs no kernels"),
        ("workload:garbage", "", "no model of workload 'garbage'"),
        ("model:no_such", "", "no model 'no_such'"),
        ("model:sporadic", "nonsense=1", "no option 'nonsense'"),
        ("model:replay", "", "needs steps="),
        ("model:sporadic", "gap_us=x", "write a whole number"),
        ("workload:pinger", "peer=nobody", "no guest has that name"),
    ],
)
def test_what_it_cannot_simulate_is_refused_in_one_line(kernel: str, cmdline: str, message: str) -> None:
    machine = replace(MACHINE, guests=(GuestSpec("x", kernel, cmdline, memory=4 * MIB),))
    with pytest.raises(SpecError, match=message):
        simulate(machine)
