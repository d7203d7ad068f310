"""A reservation under `rtds` beside attackers: in every window the victim has at least its supply bound.

The bound is that of Shin and Lee's periodic resource model (RTSS 2003). It is compared twice. The trace says when the victim
was on a pCPU; interrupts that came meanwhile are part of that, whoever pays for them. The victim's own marks say how much it
computed; there the interrupts are missing, and so are what a switch cost it and two incomplete steps at the window's ends.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from attackers import ATTACKS, COUNTS
from machines import MILLISECOND, assert_sound, boot, said, window, workload
from victims import DONE

from bulkhead import MIB, Guest, Policy, Run
from bulkhead.metrics import Schema, Trace, least_service, run_intervals
from bulkhead.metrics.trace import int64
from bulkhead.model.schedulability import Server

BUDGET, PERIOD = 3 * MILLISECOND, 10 * MILLISECOND
# The attackers' reservations together, if they have any: with the victim's 96 % of a pCPU, and mostly with earlier deadlines.
OTHERS, OTHERS_PERIOD = 4_600, 7_000  # us
WINDOWS = (10, 14, 16, 20, 30, 50, 100)  # ms; up to 14 ms the bound is 0
OPERATIONS = 10  # of the victim between two marks, about 40 us
SLICE = 50_000  # ns: the least slice, which sched/rtds.cpp leaves out of its bound
SWITCHES = 6_000  # ns in each period, as tests/policy/reserved_test.cpp has it
STOLEN = 0.02  # of what it is on a pCPU: interrupts for others, on the victim's time


@dataclass(frozen=True)
class Cell:
    attack: str
    count: int
    pcpus: int
    reserved: bool = False  # the attackers have reservations, too

    def __str__(self) -> str:
        return f"{self.attack}-{self.count}-{self.pcpus}{'-reserved' if self.reserved else ''}"


CHOSEN = (
    Cell("call_storm", 12, 1, True),
    Cell("cpu_hog", 4, 1),
    Cell("store_storm", 4, 1),
    Cell("table_storm", 4, 2, True),
    Cell("tick_flood", 22, 1),
    Cell("timeout_flood", 1, 1),
    Cell("timeout_flood", 22, 1),
    Cell("timeout_flood", 4, 2),
    Cell("timer_storm", 12, 2),
    Cell("timer_storm", 22, 1, True),
    Cell("yield_storm", 1, 1, True),
    Cell("yield_storm", 22, 2),
)
EVERY = tuple(
    Cell(attack.name, count, pcpus, reserved)
    for attack in ATTACKS.values()
    for count in COUNTS
    for pcpus in (1, 2)
    for reserved in ((False, True) if attack.vcpus == 1 else (False,))
)
CELLS = EVERY if os.environ.get("BULKHEAD_HOSTILE") == "all" else CHOSEN


def attacker(cell: Cell, index: int) -> Guest:
    attack = ATTACKS[cell.attack]
    budget = {"budget": OTHERS // cell.count, "period": OTHERS_PERIOD} if cell.reserved else {}
    return workload(
        attack.name, attack.options, name=f"attacker{index}", vcpus=attack.vcpus, memory=4 * MIB, sched=budget
    )


def beside(pcpus: int, *attackers: Guest) -> Run:
    victim = workload(
        "compute",
        f"mark_ops={OPERATIONS}",
        name="victim",
        memory=4 * MIB,
        sched={"budget": BUDGET // 1000, "period": PERIOD // 1000},
    )
    return boot(
        victim,
        *attackers,
        sched=Policy("rtds", {"extra": 0}),  # the victim has nothing beyond its reservation
        pcpus=pcpus,
        duration=600 * MILLISECOND,
        memory=2048 * MIB,
        end_when_idle=False,
    )


def marks(run: Run) -> np.ndarray:
    """When the victim had computed one more step, in the window."""
    span, times = window(run), int64(run.select("mark", "victim", DONE)["time"])
    return np.asarray(times[(times >= span.start) & (times <= span.end)])


@cache
def step() -> int:
    """What the victim computes between two marks takes so long with a pCPU of its own [ns]."""
    return int(np.median(np.diff(marks(beside(1)))))


def least_steps(times: np.ndarray, length: int, end: int) -> int:
    """The fewest marks in any window (s, s + length]. A window with fewest begins at a mark."""
    starts = times[times + length <= end]
    return int((np.searchsorted(times, starts + length, "right") - np.arange(len(starts)) - 1).min())


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_reservation_holds_in_every_window(cell: Cell) -> None:
    run = beside(cell.pcpus, *(attacker(cell, i) for i in range(cell.count)))
    assert_sound(run)
    span, server = window(run), Server(BUDGET, PERIOD)
    ran = run_intervals(Trace(run.trace, Schema.built())).of_domain(run.domain_id("victim"))
    times, failures = marks(run), []
    least_ran = least_work = server.supply(WINDOWS[-1] * MILLISECOND)
    for milliseconds in WINDOWS:
        length = milliseconds * MILLISECOND
        bound = server.supply(length)
        less = SLICE + SWITCHES * (length // PERIOD + 2)
        supplied = least_service(ran, span, length)
        assert supplied is not None
        worked = (least_steps(times, length, span.end) + 2) * step()
        least_ran, least_work = min(least_ran, supplied - bound), min(least_work, worked - bound)
        if supplied < bound - less or worked < (bound - less) * (1 - STOLEN):
            failures.append((milliseconds, bound, supplied, worked))
    print(
        f"{cell}: at least the bound {least_ran:+} ns on a pCPU, {least_work:+} ns of work; step {step()} ns"
    )
    assert not failures, (failures, said(run))
