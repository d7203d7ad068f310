"""A guest that works its page tables on its own pCPU keeps its rate beside every attack on other pCPUs.

Attacks that make domain 0 work (`store_storm`, `borrower`) would take time of the victim's pCPU, so domain 0 is kept off it too.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from attackers import ATTACKS
from machines import MILLISECOND, assert_sound, boot, said, workload
from victims import rate

from bulkhead import MIB, Guest, Run

KEPT = 0.95  # of the victim's rate alone
DURATION = 160 * MILLISECOND
MEMORY_CALLS = ("drain", "garbage", "long_calls", "memory_thrash", "table_storm")
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
    others = tuple(range(1, pcpus))
    return boot(
        victim(),
        *attackers,
        pcpus=pcpus,
        dom0_affinity=others,
        duration=DURATION,
        memory=1024 * MIB,
        end_when_idle=False,
    )


@cache
def alone(pcpus: int) -> float:
    return rate(run_beside(pcpus))


@pytest.mark.parametrize(("attack", "count"), CELLS)
def test_page_tables_keep_their_rate(attack: str, count: int) -> None:
    pcpus = count + 1
    run = run_beside(pcpus, *(attacker(attack, pcpu) for pcpu in range(1, pcpus)))
    assert_sound(run)
    kept = rate(run) / alone(pcpus)
    print(f"{attack} x {count}: {100 * kept:.2f} % of the rate alone")
    assert kept >= KEPT, said(run)
    assert set(run.select("run_in", "dom0")["pcpu"]) <= set(range(1, pcpus))
