"""Timers of hostile guests: nobody else pays for them, and nothing waits long because of them."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, workload
from victims import FOREIGN, OWN, billed, progress, r_max_bound

from bulkhead import MIB, Guest, Policy, Run

VCPUS = 32


def beside(kind: str, count: int, sched: str = "credit") -> Run:
    """A victim that computes beside so many attackers with 32 vCPUs each."""
    attackers = [workload(kind, name=f"{kind}{i}", vcpus=VCPUS) for i in range(count)]
    victim = workload("compute", name="victim")
    run = boot(victim, *attackers, sched=Policy(sched), duration=400 * MILLISECOND, memory=2048 * MIB)
    print(f"{kind} x {count}: progress {progress(run):.4f}, billed {billed(run):.4f}, R_max {run.landmark.r_max}")
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
