"""Compiled schedulers against the same ones written in Python: equal traces, decision for decision."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import oracles
import pytest
from bulkhead.backend.sim import Costs, simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Policy, TimelineEntry
from bulkhead.policy.scheduler import Decision, Scheduler

MILLISECOND = 1_000_000
COSTS = Costs(
    {
        "stop": 90,
        "pick": 200,
        "leave": 50,
        "interrupt": 60,
        "fire": 110,
        "wait": 80,
        "yield": 40,
        "start": 500,
    }
)


def model(chance: random.Random) -> tuple[str, str]:
    """A random guest: kernel and command line."""
    number = chance.randrange
    return chance.choice(
        [
            ("workload:cpu_hog", f"mark_ops={number(10, 900)}"),
            ("workload:yield_storm", f"mark_yields={number(5, 40)} for_ms={number(1, 9)}"),
            ("workload:timer_storm", f"mark_timers=10 ahead_us={number(20, 400)}"),
            (
                "workload:tick_dodger",
                f"tick_us={number(500, 4000)} guard_us={number(10, 200)} after_us={number(1, 90)}",
            ),
            ("workload:periodic", f"period_us={number(100, 5000)} work_us={number(5, 900)}"),
            ("model:on_off", f"on_us={number(10, 3000)} off_us={number(10, 3000)}"),
            (
                "model:sporadic",
                f"gap_us={number(10, 900)} mean_us={number(10, 900)} work_us={number(5, 300)}",
            ),
        ]
    )


def scenario(seed: int, policy: str, parameters: dict[str, int], caps: bool) -> Machine:
    """A random machine that the seed decides."""
    chance = random.Random(seed)
    guests = []
    for i in range(chance.randint(1, 6)):
        kernel, cmdline = model(chance)
        cap = chance.choice((0, 0, 20, 60)) if caps else 0
        guests.append(
            Guest(f"g{i}", kernel, cmdline, memory=4 * MIB, weight=chance.randint(16, 1024), cap=cap)
        )
    names = [guest.name for guest in guests]
    timeline = tuple(
        TimelineEntry(
            chance.randrange(14 * MILLISECOND),
            chance.choice(("pause", "unpause", "destroy")),
            chance.choice(names),
        )
        for _ in range(chance.randint(0, 3))
    )
    return Machine(
        guests=tuple(guests),
        sched=Policy(policy, parameters),
        pcpus=chance.randint(1, 3),
        duration=15 * MILLISECOND,
        timeline=timeline,
        seed=seed,
        trace_groups=("sched", "policy", "lifecycle"),
        end_when_idle=False,
    )


def compare(machine: Machine, oracle: Policy) -> int:
    """Number of decisions in two equal traces."""
    compiled, written = (
        simulate(machine, costs=COSTS).trace,
        simulate(replace(machine, sched=oracle), costs=COSTS).trace,
    )
    common = min(len(compiled), len(written))
    different = np.flatnonzero(compiled[:common] != written[:common])
    assert len(different) == 0, f"{machine}: {compiled[different[0]]} against {written[different[0]]}"
    assert len(compiled) == len(written)
    return common


def test_round_robin_decides_as_its_oracle_in_a_thousand_scenarios() -> None:
    records = 0
    for seed in range(1000):
        parameters = {"slice": random.Random(-seed).randint(100, 6000)}
        machine = scenario(seed, "round_robin", parameters, caps=False)
        records += compare(machine, oracles.RoundRobin.spec(**parameters))
    assert records > 100_000


def test_credit_decides_as_its_oracle() -> None:
    records = 0
    for seed in range(60):
        chance = random.Random(-seed)
        parameters = {
            "round": chance.randint(1000, 9000),
            "rate_limit": chance.randint(100, 2000),
            "burst": chance.randint(1, 9),
        }
        machine = scenario(seed, "credit", parameters, caps=True)
        records += compare(machine, oracles.Credit.spec(**parameters))
    assert records > 5_000


@pytest.mark.parametrize("policy", ("credit", "bvt", "stride"))
def test_a_raised_weight_makes_nobody_starved_who_waited_for_the_former_one(policy: str) -> None:
    """A share of 1 in 65,536 may wait for seconds; the bound of a larger share counts from when it was given."""
    hogs = [
        Guest(name, "workload:cpu_hog", memory=4 * MIB, weight=w)
        for name, w in (("heavy", 65535), ("light", 1))
    ]
    machine = Machine(
        guests=tuple(hogs),
        sched=Policy(policy, {}),
        duration=4_000 * MILLISECOND,
        timeline=(TimelineEntry(2_103 * MILLISECOND, "set_weight", "light", 256),),
        trace_groups=("policy",),
        end_when_idle=False,
    )
    assert [report.ejected for report in simulate(machine, costs=COSTS).landmark.policies] == [None]


MACHINE = Machine(guests=(Guest("a", "workload:cpu_hog", memory=4 * MIB),), duration=20 * MILLISECOND)


class Broken(oracles.RoundRobin):
    """Raises in a hook."""

    name = "broken"

    def wake(self, vcpu, now):  # type: ignore[no-untyped-def]
        raise KeyError("what went wrong")


class Nonsense(oracles.RoundRobin):
    """Answers with a text."""

    name = "nonsense"

    def pick(self, pcpu, now):  # type: ignore[no-untyped-def]
        return "a vCPU"


class Short(oracles.RoundRobin):
    """Gives slices that are too short."""

    name = "short"

    def pick(self, pcpu, now):  # type: ignore[no-untyped-def]
        answer = super().pick(pcpu, now)
        return answer and Decision(answer[0], 10)


def test_an_exception_in_a_hook_ends_the_run() -> None:
    with pytest.raises(KeyError, match="what went wrong"):
        simulate(replace(MACHINE, sched=Broken.spec()))


def test_an_answer_of_the_wrong_type_ends_the_run() -> None:
    with pytest.raises(TypeError, match="pick must return"):
        simulate(replace(MACHINE, sched=Nonsense.spec()))


def test_a_wrong_answer_ejects_as_in_the_hypervisor() -> None:
    (report,) = simulate(replace(MACHINE, sched=Short.spec())).landmark.policies
    assert (report.name, report.ejected) == ("short", "wrong_answer")


def test_parameters_are_checked_by_name_and_range() -> None:
    with pytest.raises(SpecError, match="no parameter 'slize'"):
        oracles.RoundRobin.spec(slize=3)
    with pytest.raises(SpecError, match="slice=3 is outside 100 to 100000"):
        oracles.RoundRobin.spec(slice=3)


def test_a_name_is_required() -> None:
    with pytest.raises(SpecError, match="give it a name"):

        class Nameless(Scheduler):
            name = "Not a name"
