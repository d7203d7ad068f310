"""A guest that works its page tables on its own pCPU keeps its rate beside every attack on other pCPUs.

A user cannot pin domain 0: it works on any pCPU. Attacks that make it work (`store_storm`, `borrower`) so take time of the
victim's pCPU. Three storms take more than 5 % of it. There, that time is added to what the victim kept, so that the bound is
about the calls alone.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from attackers import ATTACKS
from machines import MILLISECOND, assert_sound, boot, said, workload
from victims import rate, settled

from bulkhead import MIB, Guest, Run
from bulkhead.metrics import Schema, Trace, run_intervals

KEPT = 0.95  # of the victim's rate alone
DURATION = 160 * MILLISECOND
MEMORY_CALLS = ("drain", "garbage", "long_calls", "memory_thrash", "table_storm")
DOM0_AT_WORK = {("store_storm", 3)}
ALL = [(attack, count) for attack in ATTACKS for count in (1, 3)]
CHOSEN = [(attack, 1) for attack in ATTACKS] + [(attack, 3) for attack in (*MEMORY_CALLS, "store_storm")]
CELLS = ALL if os.environ.get("BULKHEAD_HOSTILE") == "all" else CHOSEN


def victim() -> Guest:
    return workload("page_tables", "mark_changes=10", name="victim", affinity=(0,), memory=4 * MIB)


def attacker(name: str, pcpu: int) -> Guest:
    attack = ATTACKS[name]
    return workload(
        attack.name,
        attack.options,
        name=f"attacker{pcpu}",
        vcpus=attack.vcpus,
        affinity=(pcpu,),
        memory=4 * MIB,
    )


def run_beside(pcpus: int, *attackers: Guest) -> Run:
    return boot(victim(), *attackers, pcpus=pcpus, duration=DURATION, memory=1024 * MIB, end_when_idle=False)


def taken_by_dom0(run: Run) -> float:
    """The part of the victim's pCPU that domain 0 had while the victim's rate was measured."""
    span = settled(run)
    ran = run_intervals(Trace(run.trace, Schema.built())).of_domain(0)
    return ran.where(ran.pcpu == 0).clip(span).total / span.length


@cache
def alone(pcpus: int) -> float:
    return rate(run_beside(pcpus))


@pytest.mark.parametrize(("attack", "count"), CELLS)
def test_page_tables_keep_their_rate(attack: str, count: int) -> None:
    pcpus = count + 1
    run = run_beside(pcpus, *(attacker(attack, pcpu) for pcpu in range(1, pcpus)))
    assert_sound(run)
    kept = rate(run) / alone(pcpus)
    taken = taken_by_dom0(run)
    print(
        f"{attack} x {count}: {100 * kept:.2f} % of the rate alone, domain 0 had {100 * taken:.2f} % of the pCPU"
    )
    assert kept + (taken if (attack, count) in DOM0_AT_WORK else 0) >= KEPT, said(run)
