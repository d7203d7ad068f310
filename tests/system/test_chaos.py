"""The fault-injecting scheduler: each way of breaking the contract costs an entry in the result and nothing else."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import PolicyReport, PolicySpec, Run

CREATE, ATTACH, WAKE, DESCHEDULE, PICK = 0, 1, 3, 4, 5  # as the hypervisor numbers them
AFTER_US = 150_000  # guests are at work by then
TAKEOVER = 10 * MILLISECOND

# mode, hook, why it is ejected
WAYS = [
    (1, PICK, "wrong_answer"),
    (2, PICK, "wrong_answer"),
    (3, PICK, "wrong_answer"),
    (4, PICK, "wrong_answer"),
    (5, PICK, "wrong_answer"),
    (6, PICK, "trapped"),
    (7, PICK, "trapped"),
    (8, PICK, "trapped"),
    (9, PICK, "trapped"),
    (10, PICK, "trapped"),
    (11, PICK, "trapped"),
    (12, PICK, "trapped"),
    (6, WAKE, "trapped"),
    (6, DESCHEDULE, "trapped"),
    (13, PICK, "over_budget"),
    (13, WAKE, "over_budget"),
    (13, DESCHEDULE, "over_budget"),
    (18, PICK, "over_budget"),
]


def run_chaos(mode: int, hook: int, after: int, duration_ms: int) -> tuple[Run, PolicyReport]:
    guests = (workload("compute", "for_ms=200", name="one"), workload("compute", "for_ms=200", name="two"))
    spec = PolicySpec("chaos", {"mode": mode, "hook": hook, "after": after})
    run = boot(*guests, sched=spec, duration=duration_ms * MILLISECOND)
    return run, next(report for report in run.landmark.policies if report.kind == "scheduler")


def assert_guests_went_on(run: Run) -> None:
    for guest in ("one", "two"):
        assert "RESULT name=compute" in run.consoles[guest], said(run)


@pytest.mark.parametrize(("mode", "hook", "why"), WAYS)
def test_every_way_is_ejected_and_the_guests_go_on(mode: int, hook: int, why: str) -> None:
    run, report = run_chaos(mode, hook, AFTER_US, 900)
    assert (report.ejected, report.ejected_hook) == (why, hook), said(run)
    assert report.hook_max_ns < TAKEOVER
    assert len(run.select("policy_eject")) == 1
    assert_guests_went_on(run)
    assert_sound(run)


@pytest.mark.parametrize("hook", [CREATE, ATTACH])
def test_a_fault_before_any_guest_is_there(hook: int) -> None:
    run, report = run_chaos(6, hook, 0, 900)
    assert (report.ejected, report.ejected_hook) == ("trapped", hook), said(run)
    assert_guests_went_on(run)


@pytest.mark.parametrize("mode", [15, 16, 17])
def test_starvation_is_found_after_ten_seconds(mode: int) -> None:
    run, report = run_chaos(mode, PICK, AFTER_US, 12_000)
    assert report.ejected == "starvation", said(run)
    assert_guests_went_on(run)


def test_in_mode_0_it_behaves() -> None:
    run, report = run_chaos(0, PICK, 0, 900)
    assert report.ejected is None
    assert_guests_went_on(run)
    assert_sound(run)
