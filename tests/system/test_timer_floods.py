"""Timers of hostile guests: nobody else pays for them, and nothing waits long because of them."""

from __future__ import annotations

import re

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload
from victims import FOREIGN, OWN, billed, progress, r_max_bound

from bulkhead import MIB, Policy, Run

VCPUS = 32
TASK_P99 = 60_000  # ns: how late a task of 1 ms may begin


def beside(kind: str, count: int, sched: str = "credit") -> Run:
    """A victim that computes beside so many attackers with 32 vCPUs each."""
    attackers = [workload(kind, name=f"{kind}{i}", vcpus=VCPUS) for i in range(count)]
    victim = workload("compute", name="victim")
    run = boot(victim, *attackers, sched=Policy(sched), duration=400 * MILLISECOND, memory=2048 * MIB)
    print(
        f"{kind} x {count}: progress {progress(run):.4f}, billed {billed(run):.4f}, R_max {run.landmark.r_max}"
    )
    assert_sound(run)
    assert run.landmark.r_max.ns <= r_max_bound(count)
    return run


@pytest.mark.parametrize("count", [1, 10, 20])
def test_ticks_of_vcpus_that_never_run(count: int) -> None:
    run = beside("tick_flood", count)
    assert progress(run) >= OWN
    assert billed(run) <= FOREIGN


@pytest.mark.parametrize("count", [1, 12])
def test_timeouts_at_one_instant(count: int) -> None:
    run = beside("timeout_flood", count)
    assert progress(run) >= OWN / (count + 1)
    assert billed(run) <= FOREIGN


@pytest.mark.parametrize("sched", ["credit", "credit2", "bvt"])
@pytest.mark.parametrize("kind", ["tick_flood", "timer_storm"])
def test_a_periodic_task_beside_many_timers(kind: str, sched: str) -> None:
    # The attackers have started by then. The wake that ends the sleep may come just before the first job: bvt warps a domain
    # once in 500 us, so that job waits, and up to 22 after it. They are less than 1 % of so many.
    victim = workload("periodic", "sleep_first_ms=100 for_ms=3600", name="victim")
    attackers = [workload(kind, name=f"{kind}{i}", vcpus=VCPUS) for i in range(12)]
    run = boot(victim, *attackers, sched=Policy(sched), duration=3_800 * MILLISECOND, memory=2048 * MIB)
    late = re.search(r"start_p99_ns=(\d+)", run.consoles["victim"])
    print(f"{kind} under {sched}: {run.consoles['victim']}, R_max {run.landmark.r_max}")
    assert_sound(run)
    assert late is not None and int(late[1]) <= TASK_P99, said(run)
    assert run.landmark.r_max.ns <= r_max_bound(len(attackers))
