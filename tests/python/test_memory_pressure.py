"""What a memory policy hears of a guest's own stalls, and of its balloon, in the simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import kind_oracles
import numpy as np
import pytest
from bulkhead.backend.sim import simulate
from bulkhead.base.units import MIB
from bulkhead.base.schema import MARKS
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest, Paging
from kind_machines import MILLISECOND

SWAP_US = 410
MACHINE = Machine(
    guests=(
        Guest("worker", "workload:compute", memory=4 * MIB),
        Guest("hoarder", "workload:memory_hoard", memory=4 * MIB, max_memory=40 * MIB),
        Guest("victim", "workload:memory", "set_mib=20 work_us=5", memory=4 * MIB, max_memory=40 * MIB),
    ),
    memory=164 * MIB,
    dom0_memory=32 * MIB,
    trace_bytes=64 * MIB,
    duration=600 * MILLISECOND,
    paging=Paging(swap_us=SWAP_US, period_us=20_000),
    end_when_idle=False,
)


class Listens(kind_oracles.FirstFit):
    """Writes down what it hears of each domain; it has each of them give frames back, if it is told to."""

    name = "listens"
    heard: ClassVar[dict[int, list[tuple[int, int, int, bool, str]]]] = {}

    def rebalance(self, domains: list[Any], now: int) -> list[int]:
        for domain in domains:
            told = (now, domain.stalled, domain.refaults, domain.is_measured, domain.balloon)
            self.heard.setdefault(domain.id, []).append(told)
        return super().rebalance(domains, now)


@pytest.fixture(autouse=True)
def _forget() -> None:
    Listens.heard.clear()


def faults(run: Run, guest: str) -> Any:
    """Its marks of page faults."""
    marks = run.select("mark", guest)
    return marks[marks["a"] == MARKS["page_fault"]]


def test_a_policy_hears_of_each_stall_once() -> None:
    run = simulate(replace(MACHINE, memctl=Listens.spec()))
    assert run.exit_status == 5, "a guest was refused"
    worker, hoarder, victim = (run.domain_id(guest.name) for guest in MACHINE.guests)
    heard = Listens.heard[victim]
    waits = faults(run, "victim")
    waits = waits[waits["time"] <= heard[-1][0]]
    stalls = int(np.count_nonzero(waits["b"]))
    assert stalls > 50
    assert sum(row[2] for row in heard) == stalls
    whole = stalls * SWAP_US * 1_000
    assert 0.98 * whole < sum(row[1] for row in heard) <= whole  # a wait may end after its period does
    for before, after in zip(heard, heard[1:]):
        assert after[1] <= after[0] - before[0]
    assert Listens.heard[hoarder][-1][1:4] == (0, 0, True)
    assert not Listens.heard[worker][-1][3]


class Lowers(Listens):
    """From 100 ms on the first domain's target is half of its size."""

    name = "lowers"

    def rebalance(self, domains: list[Any], now: int) -> list[int]:
        targets = super().rebalance(domains, now)
        if now >= 100 * MILLISECOND:
            targets[0] = domains[0].most // 2
        return targets


@pytest.mark.parametrize(("options", "states"), [("", ["settled"]), ("stubborn=1", ["moving", "absent"])])
def test_a_policy_hears_how_a_balloon_moves(options: str, states: list[str]) -> None:
    alone = replace(MACHINE.guests[1], cmdline=options)
    machine = replace(MACHINE, guests=(alone,), memctl=Lowers.spec(), duration=800 * MILLISECOND)
    run = simulate(machine)
    later = [row for row in Listens.heard[run.domain_id("hoarder")] if row[0] > 160 * MILLISECOND]
    assert list(dict.fromkeys(row[4] for row in later)) == states
