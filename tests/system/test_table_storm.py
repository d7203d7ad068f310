"""A guest that works its page tables on its own pCPU keeps its rate, whatever memory calls other pCPUs make."""

from __future__ import annotations

from functools import cache

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload
from victims import rate

from bulkhead import Guest, Run

KEPT = 0.95  # of the victim's rate alone
DURATION = 120 * MILLISECOND
CALLS = ("pin", "initialise")


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


@pytest.mark.parametrize("calls", CALLS)
def test_the_storm_is_one(calls: str) -> None:
    run = boot(storm(0, calls, for_ms=20))
    assert_sound(run)
    result = run.consoles["storm0"]
    assert ("refused=0" if calls == "pin" else "accepted=0") in result, said(run)
