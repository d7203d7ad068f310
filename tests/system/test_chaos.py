"""The fault-injecting scheduler: each way of breaking the contract costs an entry in the result and nothing else.

One list of ways serves both back ends: the same fault is found in the same hook, within the same bound.
"""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, POWERED_OFF, assert_sound, boot, said, window, workload

from bulkhead import MIB, Policy, PolicyReport, Run, TimelineEntry, _core
from bulkhead.base.schema import hook_name

HOOKS = _core.hooks["scheduler"]  # the policy has them by number, the report by name
CREATE, ATTACH, WAKE, DESCHEDULE, PICK, PLACE = (
    HOOKS[name] for name in ("create", "attach", "wake", "deschedule", "pick", "place")
)
AFTER_US = 150_000  # guests are at work by then
TAKEOVER = 10 * MILLISECOND
FOUND = 20 * MILLISECOND  # a pCPU that idles beside a waiting vCPU
SLICE = 5 * MILLISECOND  # its own: so long it may take until its pick is asked
PATIENCE = 2_000 * MILLISECOND  # docs/decisions/0011-starvation.md

both_back_ends = pytest.mark.parametrize("backend", BACKENDS)

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
    (14, PICK, "trapped"),
    (14, WAKE, "trapped"),
    (18, PICK, "over_budget"),
    (19, PICK, "over_budget"),
    (20, PICK, "wrong_answer"),
    (20, WAKE, "wrong_answer"),
]


def run_chaos(
    backend: str, mode: int, hook: int, after: int, duration_ms: int, work_ms: int = 200
) -> tuple[Run, PolicyReport]:
    guests = tuple(workload("compute", f"for_ms={work_ms}", name=name) for name in ("one", "two"))
    if hook == WAKE:
        guests += (workload("periodic", "period_us=5000 work_us=50", name="sleeper"),)
    spec = Policy("chaos", {"mode": mode, "hook": hook, "after": after})
    run = boot(*guests, backend=backend, sched=spec, duration=duration_ms * MILLISECOND)
    return run, next(report for report in run.landmark.policies if report.kind == "scheduler")


def test_a_fault_beside_a_hundred_guests_leaves_the_fallback_its_time() -> None:
    working = [workload("compute", "for_ms=100", name=name, memory=4 * MIB) for name in ("one", "two")]
    waiting = [workload("cpu_hog", name=f"hog{i}", memory=4 * MIB, start_paused=True) for i in range(100)]
    spec = Policy("chaos", {"mode": 6, "hook": DESCHEDULE, "after": AFTER_US})
    run = boot(*working, *waiting, sched=spec, memory=1024 * MIB, duration=400 * MILLISECOND)
    report = next(report for report in run.landmark.policies if report.kind == "scheduler")
    assert (report.ejected, report.hook) == ("trapped", "deschedule"), said(run)
    assert_guests_went_on(run)


def test_a_choice_made_just_before_the_ejection_is_in_the_successors_queue() -> None:
    """Who gave the pCPU up is offered to idle ones after somebody else was picked, and `place` fails there."""
    guests = (
        workload("yield_storm", name="yields"),
        workload("periodic", "period_us=50000", name="periodic"),
        workload("compute", "for_ms=300", name="one"),
        workload("compute", "for_ms=300", name="two"),
    )
    pins = (
        TimelineEntry(0, "set_affinity", "yields", 0b0001),
        TimelineEntry(0, "set_affinity", "periodic", 0b0001),
        TimelineEntry(0, "set_affinity", "one", 0b0100),
        TimelineEntry(0, "set_affinity", "two", 0b1000),
        TimelineEntry(120 * MILLISECOND, "set_affinity", "yields", 0b10011),
    )

    def run_with(mode: int, after: int) -> Run:
        spec = Policy("chaos", {"mode": mode, "hook": PLACE, "after": after})
        return boot(*guests, sched=spec, pcpus=5, timeline=pins, duration=800 * MILLISECOND)

    usual = run_with(0, 0)
    moved = usual.select("run_in", "yields")
    moved = moved[(moved["pcpu"] != 0) & (moved["time"] > window(usual).start)]
    run = run_with(6, int(moved["time"][0]) // 1_000 - 100)
    report = next(report for report in run.landmark.policies if report.kind == "scheduler")
    assert (report.ejected, report.hook) == ("trapped", "place"), said(run)
    assert_guests_went_on(run)
    jobs = run.select("run_in", "periodic")["time"]
    assert (jobs > report.ejected_at + 100 * MILLISECOND).any(), said(run)


def assert_guests_went_on(run: Run) -> None:
    """They have finished their work and powered off; in the simulator they have no console."""
    for guest in ("one", "two"):
        entry = run.landmark.ledger[guest]
        assert entry.shutdown_reason == POWERED_OFF, said(run)
        assert guest not in run.consoles or "RESULT name=compute" in run.consoles[guest], said(run)


@both_back_ends
@pytest.mark.parametrize(("mode", "hook", "why"), WAYS)
def test_every_way_is_ejected_and_the_guests_go_on(backend: str, mode: int, hook: int, why: str) -> None:
    run, report = run_chaos(backend, mode, hook, AFTER_US, 900)
    assert (report.ejected, report.hook) == (why, hook_name("scheduler", hook)), said(run)
    assert report.hook_max_ns < TAKEOVER
    if hook == PICK:
        assert report.ejected_at < AFTER_US * 1_000 + SLICE + TAKEOVER, said(run)
    assert len(run.select("policy_eject")) == 1
    assert_guests_went_on(run)
    assert_sound(run)


@both_back_ends
@pytest.mark.parametrize("hook", [CREATE, ATTACH])
def test_a_fault_before_any_guest_is_there(backend: str, hook: int) -> None:
    run, report = run_chaos(backend, 6, hook, 0, 900)
    assert (report.ejected, report.hook) == ("trapped", hook_name("scheduler", hook)), said(run)
    assert_guests_went_on(run)


@both_back_ends
@pytest.mark.parametrize(
    ("mode", "hook", "why"),
    [
        (13, CREATE, "over_budget"),
        (13, ATTACH, "over_budget"),
        (13, WAKE, "over_budget"),
        (13, PICK, "over_budget"),
        (14, CREATE, "trapped"),
    ],
)
def test_what_never_ends_before_any_guest_runs(backend: str, mode: int, hook: int, why: str) -> None:
    """The machine is still starting then, and nothing else would interrupt the hook."""
    run, report = run_chaos(backend, mode, hook, 0, 500)
    assert (report.ejected, report.hook) == (why, hook_name("scheduler", hook)), said(run)
    assert report.hook_max_ns < TAKEOVER
    assert_guests_went_on(run)


@both_back_ends
def test_a_policy_that_stops_scheduling_is_ejected_at_once(backend: str) -> None:
    run, report = run_chaos(backend, 16, PICK, AFTER_US, 600)
    assert (report.ejected, report.hook) == ("starvation", "pick"), said(run)
    assert report.ejected_at < AFTER_US * 1_000 + FOUND, said(run)
    assert_guests_went_on(run)


@both_back_ends
def test_a_policy_that_forgets_wakes_is_ejected_when_a_pcpu_idles(backend: str) -> None:
    """A guest that sleeps often is forgotten soon; the hog that runs then ends, and the pCPU idles beside the other."""
    guests = (
        workload("compute", "for_ms=200", name="one"),
        workload("compute", "for_ms=200", name="two"),
        workload("periodic", "period_us=1000 work_us=100", name="sleeper"),
    )
    spec = Policy("chaos", {"mode": 17, "hook": PICK, "after": AFTER_US})
    run = boot(*guests, backend=backend, sched=spec, duration=900 * MILLISECOND)
    report = next(report for report in run.landmark.policies if report.kind == "scheduler")
    assert (report.ejected, report.hook) == ("starvation", "pick"), said(run)
    idle_from = max(int(run.select("run_out", name)["time"][-1]) for name in ("one", "two"))
    assert report.ejected_at < idle_from + FOUND, said(run)
    assert_guests_went_on(run)


@both_back_ends
def test_a_policy_that_serves_its_favourite_alone_is_ejected_after_two_seconds(backend: str) -> None:
    run, report = run_chaos(backend, 15, PICK, AFTER_US, 2_900, work_ms=2_500)
    assert report.ejected == "starvation", said(run)
    waited_from = AFTER_US * 1_000
    assert waited_from + PATIENCE < report.ejected_at < waited_from + PATIENCE + 4 * SLICE + TAKEOVER
    assert_guests_went_on(run)


@both_back_ends
def test_in_mode_0_it_behaves(backend: str) -> None:
    run, report = run_chaos(backend, 0, PICK, 0, 900)
    assert report.ejected is None
    assert_guests_went_on(run)
    assert_sound(run)
