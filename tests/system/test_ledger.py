"""Every nanosecond is billed: ledger, trace and clock agree."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, scheduler, share, workload

from bulkhead import Policy, Run
from bulkhead.policy.tables import built_policies


@pytest.fixture(scope="module")
def run() -> Run:
    """Guests that compute, sleep, yield and fault."""
    return boot(
        workload("compute"),
        workload("yield_storm"),
        workload("timer_storm"),
        workload("event_storm"),
        workload("loop_fault"),
    )


def test_it_adds_up_to_the_nanosecond(run: Run) -> None:
    assert_sound(run)
    assert all(pcpu.wall_ns >= run.machine.duration for pcpu in run.landmark.pcpus)


def test_the_trace_tells_the_same_as_the_ledger(run: Run) -> None:
    for name, entry in run.landmark.ledger.items():
        ran = int(run.select("run_out", name)["b"].sum())
        assert ran <= entry.guest_ns + entry.hypervisor_ns
        assert len(run.select("run_in", name)) == entry.run_ins


def test_the_longest_non_preemptible_section_is_known(run: Run) -> None:
    assert 0 < run.landmark.r_max.ns < 10_000_000


def test_storms_are_billed_to_who_makes_them(run: Run) -> None:
    ledger = run.landmark.ledger
    for name in ("timer_storm", "event_storm", "loop_fault"):
        assert ledger[name].hypervisor_ns > 2 * ledger["compute"].hypervisor_ns, said(run)
    assert ledger["loop_fault"].traps > 100 and ledger["event_storm"].events_sent > 100
    assert ledger["yield_storm"].run_ins >= ledger["compute"].run_ins


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wake_pays_for_the_way_out_of_idle(backend: str) -> None:
    """Two pCPUs rest between requests: 1.5 % of the time was billed to no domain, and 2.3 % where the other pCPU had taken the
    vCPU that one was asked for."""
    talk = (workload("responder", "peer=pinger"), workload("pinger", "peer=responder period_us=200"))
    run = boot(*talk, sched=Policy("credit2"), pcpus=2, duration=300 * MILLISECOND, backend=backend)
    assert_sound(run)
    unbilled = sum(pcpu.unbilled_ns for pcpu in run.landmark.pcpus)
    assert unbilled <= 0.002 * sum(pcpu.wall_ns for pcpu in run.landmark.pcpus), said(run)


@pytest.mark.parametrize("policy", sorted(built_policies("scheduler")))
def test_two_equal_hogs_get_equal_shares(policy: str) -> None:
    run = boot(
        workload("cpu_hog", name="a"),
        workload("cpu_hog", name="b"),
        sched=scheduler(policy),
        duration=900 * MILLISECOND,
    )
    assert_sound(run)
    assert run.landmark.policies[0].name == policy and run.landmark.policies[0].ejected is None
    assert share(run, "a") == pytest.approx(share(run, "b"), abs=0.06)
    assert share(run, "a") + share(run, "b") > 0.9
