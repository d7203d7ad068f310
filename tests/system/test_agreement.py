"""Simulator and hypervisor agree: a fixed part of the experiment `agreement`, and machines in which they once did not."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulkhead import MIB, Guest, Machine, Policy, Run, RunOptions, TimelineEntry
from bulkhead.backend.sim.demand import demand, replay_machine
from bulkhead.experiment import BACKEND
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import REGISTRY
from bulkhead.result.agreement import MEMORY_KINDS, RING_KINDS, compared
from machines import MILLISECOND, workload

SMALL = 4 * MIB


def both(machine: Machine) -> tuple[Run, Run]:
    """The machine on the hypervisor and in the simulator."""
    real, simulated = (REGISTRY.backends[name].run(machine, RunOptions()) for name in ("qemu", "sim"))
    return real, simulated


def hog(name: str, **changes: int) -> Guest:
    return workload("cpu_hog", name=name, memory=SMALL, **changes)


def test_a_fixed_part_of_the_experiment_agrees(tmp_path: Path) -> None:
    result = run_experiment(RunRequest("agreement", True, ("pcpus=1",), out=tmp_path)).result
    rows = compared(result, BACKEND)
    assert len(rows) == 12
    assert [row.point.levels for row in rows if not row.agrees] == []


def test_a_fixed_part_agrees_on_several_pcpus(tmp_path: Path) -> None:
    sets = "pcpus=2,4", "sched=credit,round_robin", "case=theft_of_service,wake_latency compute timer"
    result = run_experiment(RunRequest("agreement", True, sets, out=tmp_path)).result
    rows = compared(result, BACKEND)
    assert len(rows) == 8
    assert [row.point.levels for row in rows if not row.agrees] == []


def test_a_fixed_part_of_the_experiment_of_rings_agrees(tmp_path: Path) -> None:
    result = run_experiment(RunRequest("agreement_rings", True, out=tmp_path)).result
    rows = compared(result, BACKEND, RING_KINDS)
    assert len(rows) == 12
    outside = {(*row.point.levels.values(), pair) for row in rows for pair in row.pairs if pair.distance > 1}
    assert [row.point.levels for row in rows if not row.agrees] == [], outside


def test_a_fixed_part_of_the_experiment_of_memory_agrees(tmp_path: Path) -> None:
    sets = "memctl=first_fit,min_max", "case=memory_hoard none,memory_hoard hoarder,memory_hog memory hog"
    result = run_experiment(RunRequest("agreement_memory", True, sets, out=tmp_path)).result
    rows = compared(result, BACKEND, MEMORY_KINDS)
    assert len(rows) == 6
    assert [row.point.levels for row in rows if not row.agrees] == []


def test_starvation_is_found_at_the_same_instant() -> None:
    start = (
        5 * MILLISECOND
    )  # as in both worlds building ends near a tick of the policy, the guests begin between two
    machine = Machine(
        guests=tuple(hog(f"w{weight}", weight=weight, start=start) for weight in (1, 256, 65535)),
        sched=Policy("credit_sampled"),
        duration=3_000 * MILLISECOND,
        end_when_idle=False,
    )
    real, simulated = (run.landmark.policies[0] for run in both(machine))
    assert real.ejected == simulated.ejected == "starvation"
    assert simulated.ejected_at == pytest.approx(real.ejected_at, abs=10 * MILLISECOND)


@pytest.mark.parametrize("sched", ["credit2", "round_robin"])
def test_a_guest_is_created_beside_hogs_in_the_same_time(sched: str) -> None:
    machine = Machine(
        guests=(*(hog(f"hog{i}") for i in range(8)), workload("compute", name="late", memory=SMALL)),
        sched=Policy(sched),
        duration=500 * MILLISECOND,
        timeline=(TimelineEntry(150 * MILLISECOND, "create", "late"),),
        end_when_idle=False,
    )
    took = [
        int(run.select("domain_unpause", "late")["time"][0]) - run.landmark.started for run in both(machine)
    ]
    assert took[1] == pytest.approx(took[0], rel=0.02)


def test_a_replay_under_the_recorded_scheduler_waits_as_long(tmp_path: Path) -> None:
    guests = (
        workload("periodic", "period_us=3000 work_us=700", name="task", memory=SMALL, weight=512),
        hog("hog"),
        workload("tick_dodger", name="dodger", memory=SMALL),
    )
    machine = Machine(
        guests=guests, sched=Policy("round_robin"), duration=600 * MILLISECOND, end_when_idle=False
    )
    recorded = REGISTRY.backends["qemu"].run(machine, RunOptions())
    replayed = REGISTRY.backends["sim"].run(
        replay_machine(recorded, [demand(recorded, guest.name) for guest in guests], tmp_path), RunOptions()
    )
    for guest in guests:
        then, now = (run.landmark.ledger[guest.name].waiting_ns for run in (recorded, replayed))
        assert now == pytest.approx(then, rel=0.05), guest.name
