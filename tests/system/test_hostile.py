"""Hostile guests harm nobody: the victim next to one gets its share, and the machine ends soundly."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, SHORT, assert_sound, boot, said, scheduler, share, workload

from bulkhead import MIB, Guest, Policy
from bulkhead.base import paths
from bulkhead.model.workloads import workloads

FAIR = 0.5
TOLERANCE = 0.03
OPTIONS = {"borrower": ("peer=victim",), "garbage": ("",), "loop_fault": ("", "nested=1")}
CASES = [
    (name, options)
    for name, one in workloads().items()
    if one.sort == "attack"
    for options in OPTIONS.get(name, ("",))
]


@pytest.mark.parametrize(("attack", "options"), CASES)
def test_victim_keeps_its_share(attack: str, options: str) -> None:
    victim = workload("compute", name="victim")
    run = boot(victim, workload(attack, options), sched=scheduler(), duration=600 * MILLISECOND)
    assert_sound(run)
    assert run.landmark.ledger["victim"].shutdown_reason is None, said(run)
    assert share(run, "victim") > FAIR - TOLERANCE, said(run)


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
KEPT = 0.98  # of its fair share: what a victim has at least


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", SHARING)
def test_a_crowd_that_yields_pays_for_its_switches(policy: str, backend: str) -> None:
    crowd = [workload("yield_storm", name=f"yields{i}", memory=4 * MIB) for i in range(CROWD)]
    victim = workload("compute", name="victim", memory=4 * MIB)
    duration = (
        2_000 if backend == "qemu" else 1_000
    ) * MILLISECOND  # the simulator's trace is as long as it is
    run = boot(victim, *crowd, sched=Policy(policy), duration=duration, backend=backend)
    assert_sound(run)
    part = share(run, "victim") * (CROWD + 1)
    print(f"{policy} on {backend}: the victim has {part:.3f} of its fair share")
    assert part >= KEPT, said(run)
