"""A guest that needs memory, beside one that hoards it, one that fragments it and one that gives it back and takes it again."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, Paging, Policy, Run
from bulkhead.base.schema import MARKS
from bulkhead.metrics.trace import int64

FIRST, MOST, SET_MIB = 4, 40, 24  # MiB
EACH = 18  # MiB of an attacker, so that a little is left
SETTLED, LASTS = 900 * MILLISECOND, 1_300 * MILLISECOND  # by then the victim has what it can get
MOST_LOST = 0.05


def attackers() -> tuple[Guest, ...]:
    """All at once, on the second pCPU."""
    sizes = {"memory": FIRST * MIB, "max_memory": EACH * MIB, "affinity": (1,)}
    names = ("memory_hoard", "memory_fragment", "memory_thrash")
    return tuple(workload(name, "swap_us=410", name=name, **sizes) for name in names)


def victim(policy: str) -> Guest:
    """Alone on the first pCPU, so that it shares nothing but memory. It is there last."""
    words = f"set_mib={SET_MIB} work_us=20 swap_us=410 mark_ops=10 sleep_first_ms=150"
    return workload(
        "memory",
        words,
        name="victim",
        memory=FIRST * MIB,
        max_memory=MOST * MIB,
        affinity=(0,),
        memctl={"min": FIRST + SET_MIB} if policy == "min_max" else {},
    )


def run_of(policy: str, *others: Guest) -> Run:
    run = boot(
        *others,
        victim(policy),
        pcpus=2,
        memory=128 * MIB,
        dom0_memory=32 * MIB,
        trace_bytes=8 * MIB,
        memctl=Policy(policy),
        paging=Paging(period_us=20_000, swap_us=410, sampled=0),
        duration=LASTS,
    )
    assert_sound(run)
    return run


def progress(run: Run) -> float:
    """Pages that the victim used after it had what it could get."""
    done = run.select("mark", "victim", MARKS["operations"])
    times = int64(done["time"]) - run.landmark.started
    return float(int64(done["b"])[-1] - int64(done["b"])[times < SETTLED][-1])


@pytest.mark.parametrize("policy", ["min_max", "first_fit"])
def test_a_reservation_makes_them_harmless_and_first_come_does_not(policy: str) -> None:
    alone, beside = (run_of(policy, *others) for others in ((), attackers()))
    lost = 1 - progress(beside) / progress(alone)
    if policy == "min_max":
        assert lost <= MOST_LOST, said(beside)
    else:
        assert lost > 0.5, said(beside)
    for name in ("memory_fragment", "memory_thrash"):
        assert len(beside.select("memory_release", name)) > 100, f"{name} gave nothing back"
