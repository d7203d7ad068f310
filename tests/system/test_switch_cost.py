"""What a context switch between two 64-bit guests costs, in instructions: counted by the clock, so exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from machines import MILLISECOND, boot, said, window, workload

from bulkhead import GuestSpec, PolicySpec, Run
from bulkhead.policies import built_policies
from bulkhead.spec import MIB

ICOUNT = 2  # 4 ns per instruction
# From one guest's first instruction to the other's: hypercall, hooks, trace, bookkeeping, registers. It was 1,275 when
# this was written; the goal is 1,000.
WHOLE_SWITCH = 1300


def switches(run: Run) -> npt.NDArray[np.int64]:
    """Instructions between two consecutive starts of different guests on a pCPU where everybody yields at once."""
    records = run.select("run_in")
    records = records[records["time"] > window(run).start]
    changes = np.flatnonzero(np.diff(records["domain"].astype(np.int64)) != 0)
    times = records["time"].astype(np.int64)
    return (times[changes + 1] - times[changes]) >> ICOUNT


def storm(name: str) -> GuestSpec:
    return workload("yield_storm", name=name, memory=4 * MIB)


@pytest.mark.parametrize("policy", sorted({"round_robin", "credit"} & set(built_policies("scheduler"))))
def test_a_switch_between_two_guests(policy: str) -> None:
    run = boot(storm("one"), storm("two"), sched=PolicySpec(policy), icount=ICOUNT, duration=60 * MILLISECOND)
    cost = switches(run)
    print(f"switch with {policy}: median {int(np.median(cost))} instructions of {len(cost)} switches")
    if policy == "round_robin":
        assert len(cost) > 1000, said(run)
        assert np.median(cost) <= WHOLE_SWITCH
