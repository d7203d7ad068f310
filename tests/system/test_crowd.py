"""Guests with as many vCPUs as they may have: no policy is ejected for it, and no hook, swap or ejection is long."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, said, share, workload

from bulkhead import MIB, Guest, Policy, PolicyReport, Run, TimelineEntry

CROWD = 22  # guests
VCPUS = 32  # of each
HOOK = 100_000  # ns: the budget of a hook
SECTION = 200_000  # ns: the longest non-preemptible section beside any number of attackers
SHARING = ("bvt", "credit", "credit2", "eevdf", "stride")


def crowd(count: int = CROWD) -> tuple[Guest, ...]:
    return tuple(
        workload("cpu_hog", "all_vcpus=1", name=f"crowd{i}", vcpus=VCPUS, memory=4 * MIB)
        for i in range(count)
    )


def report_of(run: Run) -> PolicyReport:
    return next(report for report in run.landmark.policies if report.kind == "scheduler")


@pytest.mark.parametrize("policy", ("credit", "credit2", "credit_sampled", "eevdf", "rtds", "table"))
def test_seven_hundred_hogs_get_no_policy_ejected(policy: str) -> None:
    run = boot(*crowd(), sched=Policy(policy), duration=200 * MILLISECOND)
    assert_sound(run)
    report = report_of(run)
    print(f"{policy}: longest hook {report.hook_max_ns} ns, R_max {run.landmark.r_max.ns} ns")
    assert report.ejected is None, said(run)
    assert report.hook_max_ns < HOOK
    assert run.landmark.r_max.ns <= SECTION, run.landmark.r_max


def test_a_swap_beside_seven_hundred_hogs_is_short() -> None:
    timeline = (TimelineEntry(50 * MILLISECOND, "swap", policy=Policy("stride")),)
    run = boot(*crowd(), sched=Policy("credit"), timeline=timeline, duration=250 * MILLISECOND)
    assert_sound(run)
    assert len(run.select("policy_load")) == 2, said(run)
    swapped = int(run.select("policy_load")["time"][-1])
    print(f"swap: R_max {run.landmark.r_max.ns} ns")
    assert run.landmark.r_max.ns <= SECTION, run.landmark.r_max
    for guest in crowd():
        assert (
            run.select("run_in", guest.name)["time"] > swapped
        ).any(), f"{guest.name} was lost\n{said(run)}"


def test_an_ejection_beside_seven_hundred_hogs_is_short() -> None:
    chaos = Policy("chaos", {"mode": 3, "after": 600_000})  # a slice that is too short, once all guests run
    run = boot(*crowd(), sched=chaos, duration=600 * MILLISECOND)
    assert_sound(run)
    assert report_of(run).ejected == "wrong_answer", said(run)
    ejected = int(run.select("policy_eject")["time"][0])
    print(f"ejection: R_max {run.landmark.r_max.ns} ns")
    assert run.landmark.r_max.ns <= SECTION, run.landmark.r_max
    ran = {guest.name for guest in crowd() if (run.select("run_in", guest.name)["time"] > ejected).any()}
    assert len(ran) > 1, said(run)


@pytest.mark.parametrize("policy", SHARING)
def test_weight_counts_for_domains(policy: str) -> None:
    light = workload("cpu_hog", "all_vcpus=1", name="light", vcpus=VCPUS, weight=20)
    heavy = workload("cpu_hog", name="heavy", weight=1_000)
    run = boot(light, heavy, sched=Policy(policy), duration=2_500 * MILLISECOND)
    assert_sound(run)
    part = share(run, "light")
    print(f"{policy}: weight 20 with {VCPUS} hogs has {100 * part:.2f} %")
    assert part == pytest.approx(20 / 1_020, abs=0.01), said(run)
