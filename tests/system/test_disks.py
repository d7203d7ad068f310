"""Disks in the hypervisor: a ring policy sees each request, shares and limits hold, nothing is lost when guests go."""

from __future__ import annotations

import re

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestDisk, Policy, Run, TimelineEntry
from bulkhead.policy.tables import built_policies, kind_number

HALF = SECOND // 2
LEFT_OUT = {"chaos"}
RESULT = re.compile(r"RESULT name=\S+ answers=(\d+) failures=(\d+) ")


def user(kind: str, options: str, name: str, for_ms: int = 400, **changes: object) -> Guest:
    return workload(
        kind, f"{options} for_ms={for_ms}", name=name, memory=8 * MIB, disks=(GuestDisk(2 * MIB),), **changes
    )


def result(run: Run, name: str) -> tuple[int, int]:
    """Answers and failures."""
    found = RESULT.search(run.consoles[name])
    assert found, said(run)
    answers, failures = map(int, found.groups())
    return answers, failures


def requests(run: Run, event: str, name: str) -> int:
    return len(run.select(event, name))


VICTIM = user("disk", "period_us=1000 depth=8", "victim")
FLOOD = user("disk_flood", "", "flood")


@pytest.mark.parametrize("policy", [None, *sorted(set(built_policies("ring")) - LEFT_OUT)])
def test_every_policy_serves_every_request(policy: str | None) -> None:
    run = boot(VICTIM, FLOOD, ringctl=Policy(policy) if policy else None, duration=SECOND)
    assert run.exit_status == 0, said(run)
    assert_sound(run)
    assert len(run.select("policy_eject")) == 0, said(run)
    report = next(report for report in run.landmark.policies if report.kind == "ring")
    assert report.name == (policy or "fallback") and report.hook_calls > 1000
    for name in ("victim", "flood"):
        answers, failures = result(run, name)
        assert answers > 0 and failures == 0
        asked, taken = requests(run, "ring_submit", name), requests(run, "ring_request", name)
        assert asked >= taken >= requests(run, "ring_complete", name) >= answers


def longest_wait(run: Run, name: str) -> int:
    """From the queue to the drive's answer, in ns, once both guests have started."""
    asked = {int(record["a"]): int(record["time"]) for record in run.select("ring_submit", name)}
    begin = min(asked.values()) + 50 * MILLISECOND
    done = ((int(record["time"]), asked[int(record["a"])]) for record in run.select("ring_complete", name))
    return max(end - start for end, start in done if start > begin)


def test_a_fair_policy_keeps_the_victims_reads_short() -> None:
    loose, fair = (boot(VICTIM, FLOOD, ringctl=Policy(name), duration=SECOND) for name in ("fifo", "drr"))
    assert longest_wait(loose, "victim") > 12 * MILLISECOND, said(loose)
    assert longest_wait(fair, "victim") < 3 * MILLISECOND, said(fair)
    assert result(fair, "victim")[0] >= 390, said(fair)


def test_a_limit_holds_beside_an_idle_drive() -> None:
    limited = user("disk_flood", "depth=16", "limited", ringctl={"rate": 200})
    run = boot(limited, ringctl=Policy("token_bucket", {"burst": 10}), duration=SECOND)
    assert_sound(run)
    assert 80 <= result(run, "limited")[0] <= 90 + 1, said(run)  # 400 ms at 200 a second, and the burst


def test_a_weight_is_a_share_of_the_drive_and_can_be_changed() -> None:
    guests = (
        user("disk_flood", "", "light", for_ms=900, weight=100),
        user("disk_flood", "", "heavy", for_ms=900, weight=300),
    )
    timeline = (TimelineEntry(HALF, "set_weight", "heavy", 100),)
    run = boot(*guests, ringctl=Policy("sfq"), timeline=timeline, duration=2 * SECOND)
    assert_sound(run)
    changed = int(run.select("timeline")["time"][0])
    done = {name: run.select("ring_complete", name)["time"] for name in ("light", "heavy")}
    before = [
        int(((times > changed - 300 * MILLISECOND) & (times <= changed)).sum()) for times in done.values()
    ]
    after = [
        int(((times > changed + 50 * MILLISECOND) & (times <= changed + 350 * MILLISECOND)).sum())
        for times in done.values()
    ]
    assert before[1] == pytest.approx(3 * before[0], rel=0.05), before
    assert after[1] == pytest.approx(after[0], rel=0.05), after


def test_the_same_run_twice_has_the_same_trace() -> None:
    runs = [boot(VICTIM, FLOOD, ringctl=Policy("mclock"), pcpus=2, duration=SECOND) for _ in range(2)]
    assert runs[0].trace_sha256 == runs[1].trace_sha256


def test_guests_that_go_with_requests_in_flight_leave_nothing_behind() -> None:
    flood = user("disk_flood", "bytes=65536", "flood", for_ms=0)
    rounds = 8
    timeline = tuple(
        entry
        for i in range(rounds)
        for entry in (
            TimelineEntry((60 * i + 30) * MILLISECOND, "destroy", "flood"),
            TimelineEntry((60 * i + 45) * MILLISECOND, "create", "flood"),
            TimelineEntry((60 * i + 46) * MILLISECOND, "unpause", "flood"),
        )
    )
    run = boot(VICTIM, flood, ringctl=Policy("drr"), timeline=timeline, duration=700 * MILLISECOND)
    assert_sound(run)
    assert len(run.select("domain_gone")) >= rounds, said(run)
    assert all(int(gone["a"]) >= 0 for gone in run.select("domain_gone"))
    assert result(run, "victim")[1] == 0, said(run)
    lives = {int(record["domain"]) for record in run.select("ring_complete")}
    assert len(lives) >= rounds, "each life of the guest was served"
    assert len(run.select("policy_eject")) == 0, said(run)


def served_in_full(run: Run) -> None:
    """Every request that the back end queued was completed, but for those that the run's end left in the ring."""
    for name in ("victim", "flood"):
        asked = run.select("ring_submit", name)["a"].tolist()
        done = run.select("ring_complete", name)["a"].tolist()
        assert len(set(done)) == len(done) and set(done) <= set(asked)
        left = sorted(set(asked) - set(done))
        assert len(left) <= 32 and left == sorted(asked)[len(asked) - len(left) :], f"lost: {left[:5]}"
        assert result(run, name)[1] == 0, said(run)


def test_policies_are_swapped_under_load_and_no_request_is_lost() -> None:
    names = [name for name in sorted(set(built_policies("ring")) - LEFT_OUT) if name != "fifo"]
    timeline = tuple(
        TimelineEntry((50 + 40 * i) * MILLISECOND, "swap", policy=Policy(name), kind="ring")
        for i, name in enumerate(names)
    )
    run = boot(VICTIM, FLOOD, ringctl=Policy("fifo"), timeline=timeline, duration=SECOND)
    assert_sound(run)
    loads = [record for record in run.select("policy_load") if int(record["a"]) == kind_number("ring")]
    assert len(loads) == 1 + len(names), said(run)
    assert len(run.select("policy_eject")) == 0, said(run)
    served_in_full(run)


@pytest.mark.parametrize("mode", [1, 3, 4, 7, 8, 9])
def test_a_policy_that_breaks_its_contract_is_ejected_and_no_request_is_lost(mode: int) -> None:
    policy = Policy("chaos", {"mode": mode, "after": 200_000})
    run = boot(VICTIM, FLOOD, ringctl=policy, duration=SECOND)
    assert_sound(run)
    assert len(run.select("policy_eject")) == 1, said(run)
    report = next(report for report in run.landmark.policies if report.kind == "ring")
    assert report.name == "chaos" and report.ejected is not None
    served_in_full(run)
