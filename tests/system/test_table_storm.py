"""A guest that works its page tables on its own pCPU keeps its rate, whatever others do on other pCPUs."""

from __future__ import annotations

import os
from functools import cache

import pytest
from attackers import ATTACKS
from machines import MILLISECOND, assert_sound, boot, said, workload
from victims import rate

from bulkhead import Guest, Run

KEPT = 0.95  # of the victim's rate alone
DURATION = 120 * MILLISECOND
CALLS = ("pin", "initialise")
WHOLE = os.environ.get("BULKHEAD_HOSTILE") == "all"
SEVERAL = tuple(ATTACKS) if WHOLE else ("borrower", "garbage", "long_calls", "timer_storm")


def victim() -> Guest:
    return workload("page_tables", "mark_changes=10", name="victim", affinity=(0,))


def storm(index: int, calls: str, for_ms: int = 0) -> Guest:
    options = f"calls={calls} for_ms={for_ms}"
    return workload("table_storm", options, name=f"storm{index}", vcpus=2, affinity=(index,))


@cache
def alone(pcpus: int) -> float:
    return rate(run_beside(pcpus))


def run_beside(pcpus: int, *storms: Guest) -> Run:
    return boot(victim(), *storms, pcpus=pcpus, duration=DURATION, end_when_idle=False)


@pytest.mark.parametrize(("calls", "attackers"), [("initialise", 1), ("pin", 1), ("pin", 3), ("pin", 7)])
def test_page_tables_do_not_wait_for_those_of_others(calls: str, attackers: int) -> None:
    storms = [storm(i, calls) for i in range(1, attackers + 1)]
    run = run_beside(attackers + 1, *storms)
    assert_sound(run)
    kept = rate(run) / alone(attackers + 1)
    print(f"{calls}, {attackers} attackers: {100 * kept:.2f} % of the rate alone")
    assert kept >= KEPT, said(run)
    for one in storms:
        assert run.landmark.ledger[one.name].hypercalls > 100, "the attacker did nothing"


def attackers(name: str, count: int) -> list[Guest]:
    """They may use every pCPU but the victim's. Domain 0 may use all."""
    attack, others = ATTACKS[name], tuple(range(1, count + 1))
    return [
        workload(name, attack.options, name=f"attacker{i}", vcpus=attack.vcpus, affinity=others)
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "count"), [*((name, 1) for name in ATTACKS), *((name, 3) for name in SEVERAL)]
)
def test_page_tables_do_not_wait_for_any_attack(name: str, count: int) -> None:
    run = run_beside(count + 1, *attackers(name, count))
    assert_sound(run)
    kept = rate(run) / alone(count + 1)
    print(f"{name}, {count} attackers: {100 * kept:.2f} % of the rate alone")
    assert kept >= KEPT, said(run)


@pytest.mark.parametrize("calls", CALLS)
def test_the_storm_is_one(calls: str) -> None:
    run = boot(storm(0, calls, for_ms=20))
    assert_sound(run)
    result = run.consoles["storm0"]
    assert ("refused=0" if calls == "pin" else "accepted=0") in result, said(run)
