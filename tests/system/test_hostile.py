"""Hostile guests harm nobody: the victim next to them gets its share, and the machine ends soundly."""

from __future__ import annotations

import os

import pytest
from attackers import MIXED, Trial, assert_unharmed, carry_out, matrix
from machines import BACKENDS, MILLISECOND, SHORT, assert_sound, boot, said, share, workload
from victims import OWN


from bulkhead import MIB, Guest, Policy
from bulkhead.base import paths
from bulkhead.model.spec import NARROW

# Each attack at least once, each count and number of pCPUs, and what was out of bounds before its mend.
CHOSEN = (
    Trial("borrower", 4, 1),
    Trial("borrower", 4, 1, "bvt"),
    Trial("call_storm", 12, 1),
    Trial("cpu_hog", 1, 4),
    Trial("cpu_hog", 22, 1),
    Trial("drain", 1, 1, "credit2"),
    Trial("drain", 4, 1),
    Trial("event_storm", 4, 1),
    Trial("garbage", 1, 1),
    Trial("long_calls", 4, 1),
    Trial("loop_fault", 12, 1),
    Trial("memory_hoard", 4, 1),
    Trial("memory_thrash", 4, 1),
    Trial("store_storm", 1, 2),
    Trial("store_storm", 1, 2, "bvt"),
    Trial("store_storm", 22, 1),
    Trial("store_storm", 4, 1, "stride"),
    Trial("table_storm", 4, 2),
    Trial("tick_dodger", 12, 1),
    Trial("tick_dodger", 12, 2, "bvt"),
    Trial("tick_flood", 12, 1),
    Trial("timeout_flood", 22, 1),
    Trial("timeout_flood", 1, 2),
    Trial("timeout_flood", 1, 2, "bvt"),
    Trial("timeout_flood", 1, 2, "credit2"),
    Trial("timeout_flood", 4, 1),
    Trial("timeout_flood", 4, 1, "bvt"),
    Trial("timeout_flood", 4, 1, "credit2"),
    Trial("timeout_flood", 4, 4),
    Trial("timeout_flood", 22, 4, "bvt"),
    Trial("store_storm", 4, 1),
    Trial("timer_storm", 1, 1, "bvt"),
    Trial("timer_storm", 4, 2),
    Trial("timer_storm", 12, 4),
    Trial("yield_storm", 22, 2),
    Trial("call_storm", 4, 1, width=NARROW),
    Trial("event_storm", 4, 1, width=NARROW),
    Trial("long_calls", 4, 1, width=NARROW),
    Trial("loop_fault", 4, 1, width=MIXED),
    Trial("store_storm", 4, 1, width=MIXED),
    Trial("table_storm", 4, 2, width=MIXED),
    Trial("timer_storm", 4, 2, width=NARROW),
)
TRIALS = tuple(matrix()) if os.environ.get("BULKHEAD_HOSTILE") == "all" else CHOSEN


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_a_victim_keeps_its_share(trial: Trial) -> None:
    outcome = carry_out(trial)
    print(outcome.row())
    assert_unharmed(outcome)


@pytest.mark.parametrize("options", ("", "nested=1"))
def test_a_victim_beside_faults_in_a_fault_handler_keeps_its_share(options: str) -> None:
    run = boot(
        workload("compute", name="victim"), workload("loop_fault", options), duration=600 * MILLISECOND
    )
    assert_sound(run)
    assert share(run, "victim") > OWN / 2, said(run)


def test_a_guest_that_dies_at_once_is_named() -> None:
    run = boot(workload("die_first"), workload("compute", "for_ms=50", name="victim"))
    assert "RESULT name=compute" in run.consoles["victim"], said(run)
    assert any("die_first" in line for line in run.consoles["bulkhead"].splitlines()), said(run)
    assert "latest trace records" in run.consoles["bulkhead"], "the whole dump was printed"
    assert run.landmark.r_max.ns < SHORT, run.landmark.r_max
    assert_sound(run)


def test_the_timers_of_a_dead_guest_end_with_it() -> None:
    dead = Guest("dead", str(paths.test_image()), cmdline="test=shutdown_timers", on_crash="preserve")
    run = boot(dead, workload("compute", "for_ms=50"))
    ended = int(run.select("domain_shutdown", "dead")["time"][0])
    assert not (run.select("timer_fire", "dead")["time"] > ended).any(), said(run)
    assert_sound(run)


SHARING = ("bvt", "credit", "credit2", "eevdf", "stride")
CROWD = 22


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", SHARING)
def test_a_crowd_that_yields_pays_for_its_switches(policy: str, backend: str) -> None:
    crowd = [workload("yield_storm", name=f"yields{i}", memory=4 * MIB) for i in range(CROWD)]
    victim = workload("compute", name="victim", memory=4 * MIB)
    # A slice of 2 ms is 1.2 % of the share.
    run = boot(victim, *crowd, sched=Policy(policy), duration=4_000 * MILLISECOND, backend=backend)
    assert_sound(run)
    part = share(run, "victim") * (CROWD + 1)
    print(f"{policy} on {backend}: the victim has {part:.3f} of its fair share")
    assert part >= OWN, said(run)
