"""A guest of 4 GiB makes the longest calls that there are, and dies with all its tables: no other guest's timer is late."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Policy, Run
from bulkhead.base.schema import MARKS
from bulkhead.metrics.trace import int64

GIB = 1024 * MIB
BOUND = 100_000  # ns: of a non-preemptible section, 25,000 instructions, and of a timer's delay
FOR_MS = 100  # the attacker ends after the round that it is in by then
BESIDE = 600 * MIB  # for all that is not the attacker's


def lateness(run: Run) -> np.ndarray:
    """By how much each job of the victim began after its release [ns]."""
    releases, begins = (run.select("mark", "victim", MARKS[name]) for name in ("deadline", "request_seen"))
    jobs = min(len(releases), len(begins))
    return np.asarray(int64(begins["time"])[:jobs] - int64(releases["b"])[:jobs])


@pytest.mark.parametrize(("memory", "leaves", "lasts"), [(64 * MIB, 64, 300), (4 * GIB, 600, 2400)])
def test_the_longest_calls_and_a_death_delay_nobody(memory: int, leaves: int, lasts: int) -> None:
    attacker = workload(
        "long_calls",
        f"leaf_tables={leaves} for_ms={FOR_MS} end=crash",
        name="attacker",
        memory=memory,
        affinity=(1,),
    )
    faults = workload("loop_fault", f"for_ms={FOR_MS}", name="faults", memory=4 * MIB, affinity=(1,))
    victim = workload("periodic", "period_us=500 work_us=20", name="victim", memory=4 * MIB, affinity=(0,))
    run = boot(
        victim,
        attacker,
        faults,
        pcpus=4,  # domain 0 takes the attacker apart on one that nobody else has
        memory=memory + BESIDE,
        trace_bytes=32 * MIB,
        sched=Policy("credit2"),
        duration=lasts * MILLISECOND,
        end_when_idle=False,
    )
    assert_sound(run)
    late = lateness(run)
    print(f"{memory // MIB} MiB: R_max {run.landmark.r_max}, latest of {len(late)} jobs {late.max()} ns")
    assert run.domain_id("attacker") in run.select("domain_gone")["domain"], said(run)
    assert len(late) > 0.9 * 2 * lasts, "the victim had its jobs all the time"
    assert run.landmark.r_max.ns <= BOUND
    assert late.max() <= BOUND
