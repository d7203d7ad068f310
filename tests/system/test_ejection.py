"""A policy that breaks its contract is removed and named, and the guests go on."""

from __future__ import annotations

import pytest
from machines import BACKENDS, FAULTY, MILLISECOND, POWERED_OFF, assert_sound, boot, said, workload

from bulkhead import Policy, PolicyReport, Run

DETECTION = 10 * MILLISECOND

WAYS = [
    ("stray_pointer", 1, "wrong_answer", "pick"),
    ("short_slice", 2, "wrong_answer", "pick"),
    ("page fault", 3, "trapped", "pick"),
    ("division by zero", 4, "trapped", "pick"),
    ("endless loop", 5, "over_budget", "pick"),
    ("fault in wake", 6, "trapped", "wake"),
    ("fault in the constructor", 7, "trapped", "create"),
]


def scheduler_report(run: Run) -> PolicyReport:
    return next(report for report in run.landmark.policies if report.kind == "scheduler")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "way", "fault", "hook"), WAYS)
def test_misconduct_costs_an_entry_in_the_result(
    backend: str, name: str, way: int, fault: str, hook: str
) -> None:
    guests = (
        workload("compute", "for_ms=200", name="one"),
        workload("compute", "for_ms=200", name="two"),
        workload("periodic", "period_us=5000 work_us=50", name="sleeper"),
    )
    run = boot(*guests, backend=backend, sched=Policy(FAULTY, {"way": way}), duration=800 * MILLISECOND)
    report = scheduler_report(run)
    assert (report.ejected, report.hook) == (fault, hook), said(run)
    assert report.hook_max_ns < DETECTION or fault != "over_budget"
    assert len(run.select("policy_eject")) == 1
    for guest in ("one", "two"):
        assert run.landmark.ledger[guest].shutdown_reason == POWERED_OFF, said(run)
    assert_sound(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_that_behaves_stays(backend: str) -> None:
    run = boot(workload("compute", "for_ms=50"), backend=backend, sched=Policy(FAULTY, {"way": 0}))
    assert scheduler_report(run).ejected is None, said(run)
