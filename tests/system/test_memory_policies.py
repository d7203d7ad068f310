"""Memory policies decide over real frames: they load, grant, refuse, take over from one another, and are ejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, Paging, Policy, PolicyReport, Run, TimelineEntry
from bulkhead.base.schema import event_number
from bulkhead.metrics.trace import int64
from bulkhead.policy.tables import built_policies

MACHINE, TRACE = 112 * MIB, 8 * MIB  # 54 MiB are for guests
LIMIT = 40 * MIB  # of each
FRAMES_PER_MIB = 256
MEMORY_KIND = 2
EVERY = 100 * MILLISECOND


def hoarder(options: str = "", **changes: Any) -> Guest:
    return workload(
        "memory_hoard", options, memory=4 * MIB, max_memory=LIMIT, **{"name": "hoarder", **changes}
    )


def victim(options: str = "", **changes: Any) -> Guest:
    words = f"mark_ops=20 work_us=20 swap_us=200 {options}"
    return workload("memory", words, memory=4 * MIB, max_memory=LIMIT, **{"name": "victim", **changes})


def start(*guests: Guest, memctl: Policy, **changes: Any) -> Run:
    return boot(*guests, memctl=memctl, memory=MACHINE, dom0_memory=32 * MIB, trace_bytes=TRACE, **changes)


def report(run: Run) -> PolicyReport:
    return next(policy for policy in run.landmark.policies if policy.kind == "memory")


def loads(run: Run) -> list[int]:
    rows = run.select("policy_load")
    return [int(row["time"]) for row in rows if row["a"] == MEMORY_KIND]


def frames(run: Run, name: str) -> int:
    return run.landmark.ledger[name].frames_peak


def assert_granted_within_targets(run: Run) -> None:
    """No grant takes a domain beyond the target that it had then."""
    target, grant = event_number("memory_target"), event_number("memory_grant")
    targets: dict[int, int] = {}
    grants = 0
    for row in run.trace[np.isin(run.trace["event"], (target, grant))]:
        domain = int(row["domain"])
        if row["event"] == target:
            targets[domain] = int(row["a"])
        elif int(row["b"]) & 0xFFFFFFFF:
            grants += 1
            assert int(row["a"]) <= targets[domain], said(run)
    assert grants > 100, said(run)


@pytest.mark.parametrize("name", sorted(set(built_policies("memory")) - {"chaos"}))
def test_each_policy_decides_over_real_frames(name: str) -> None:
    zones = Paging(zones=4) if name == "coloring" else Paging()  # it has one guest in a machine of one zone
    run = start(
        hoarder(),
        victim("set_mib=30"),
        memctl=Policy(name, {"parts": 2} if name == "coloring" else {}),
        paging=zones,
    )
    assert_sound(run)
    assert (report(run).name, report(run).ejected) == (name, None), said(run)
    assert report(run).hook_calls > 10
    assert all(run.select("memory_admit")["a"] == 1)
    assert_granted_within_targets(run)
    assert frames(run, "victim") > 8 * FRAMES_PER_MIB, said(run)


def test_a_reservation_holds_beside_a_hoarder() -> None:
    """The hoarder is there first and takes what it can get; a policy with reservations keeps the victim's."""
    need = 32

    def most(memctl: Policy, **own: int) -> float:
        guests = (hoarder(), victim(f"set_mib={need - 4} sleep_first_ms=150", memctl=own))
        run = start(*guests, memctl=memctl, duration=900 * MILLISECOND)
        assert_sound(run)
        return frames(run, "victim") / FRAMES_PER_MIB

    assert need - 2 < most(Policy("min_max"), min=need) <= need
    assert most(Policy("first_fit")) < need / 2


@pytest.mark.parametrize(
    "paging", (Paging(), Paging(zones=5), Paging(zones=8, colours=1)), ids=("one", "parts", "colours")
)
def test_swaps_under_load_lose_no_frame(paging: Paging) -> None:
    names = sorted(set(built_policies("memory")) - {"chaos"})
    timeline: list[TimelineEntry] = []
    for i, name in enumerate(names):
        at = (i + 1) * EVERY
        timeline += [
            TimelineEntry(at, "swap", policy=Policy(name), kind="memory"),
            TimelineEntry(at + MILLISECOND, "audit"),
        ]
    guests = (
        hoarder(),
        victim("set_mib=20"),
        workload("memory_thrash", "set_mib=8", memory=4 * MIB, max_memory=LIMIT),
    )

    def one() -> Run:
        return start(
            *guests,
            memctl=Policy("proportional_share"),
            timeline=tuple(timeline),
            paging=paging,
            duration=EVERY * (len(names) + 1),
        )

    run = one()
    assert_sound(run)
    assert run.landmark.audit_runs == 1 + len(names), said(run)
    assert len(loads(run)) == 1 + len(names), said(run)
    assert report(run).ejected is None and report(run).name == names[-1], said(run)
    moments = [*loads(run)[1:], int(run.trace["time"][-1])]
    asked = run.select("memory_grant", "memory_thrash")["time"]
    for begin, end in zip(moments, moments[1:]):
        assert ((asked > begin) & (asked < end)).any(), f"no frame was asked for after {begin}\n{said(run)}"
    given_back = run.select("memory_release", "memory_thrash")["time"]
    assert (given_back > moments[-2]).any(), f"the last policy grants nothing\n{said(run)}"
    assert one().trace_sha256 == run.trace_sha256


# mode of the fault-injecting policy, hook, why it is ejected
WAYS = [
    (1, "choose", "wrong_answer"),
    (2, "choose", "wrong_answer"),
    (3, "choose", "wrong_answer"),
    (4, "rebalance", "wrong_answer"),
    (5, "rebalance", "wrong_answer"),
    (6, "rebalance", "wrong_answer"),
    (8, "reclaim", "wrong_answer"),
    (9, "choose", "wrong_answer"),
    (10, "choose", "trapped"),
    (11, "rebalance", "over_budget"),
    (12, "rebalance", "over_budget"),
]


@pytest.mark.parametrize(("mode", "hook", "reason"), WAYS)
def test_misconduct_is_ejected_and_the_fallback_goes_on(mode: int, hook: str, reason: str) -> None:
    guests = (hoarder(), workload("memory_thrash", "set_mib=8", memory=4 * MIB, max_memory=LIMIT))
    run = start(*guests, memctl=Policy("chaos", {"mode": mode, "after": 120_000}))
    assert_sound(run)
    assert (report(run).name, report(run).ejected, report(run).hook) == ("chaos", reason, hook), said(run)
    (record,) = run.select("policy_eject")
    if hook == "reclaim":
        return  # it set the targets to the least before, and the fallback keeps them
    later = run.select("memory_grant", "memory_thrash")
    later = later[later["time"] > record["time"]]
    assert (int64(later["b"]) & 0xFFFFFFFF > 0).any(), f"the fallback granted nothing\n{said(run)}"


def test_a_domain_that_is_refused_is_not_built() -> None:
    run = start(
        hoarder(),
        victim(),
        victim(name="third"),
        memctl=Policy("static_partition", {"parts": 2}),
        duration=50 * MILLISECOND,
    )
    assert run.exit_status == 2, said(run)
    assert [int(row["a"]) for row in run.select("memory_admit")] == [1, 1, 0]


def test_frames_of_a_dead_guest_go_to_the_others() -> None:
    timeline = (
        TimelineEntry(150 * MILLISECOND, "destroy", "hoarder"),
        TimelineEntry(200 * MILLISECOND, "audit"),
    )
    run = start(
        hoarder(),
        victim("set_mib=32"),
        memctl=Policy("proportional_share"),
        timeline=timeline,
        duration=900 * MILLISECOND,
    )
    assert_sound(run)
    gone = int(run.select("domain_destroy", "hoarder")["time"][0])
    targets = run.select("memory_target", "victim")
    before, after = targets[targets["time"] < gone], targets[targets["time"] > gone]
    assert int(before["a"][-1]) < 30 * FRAMES_PER_MIB < int(after["a"][-1]) == LIMIT // MIB * FRAMES_PER_MIB
    assert frames(run, "victim") >= 32 * FRAMES_PER_MIB, said(run)


IDLERS, NEED = 6, 26  # MiB


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["idle_tax", "working_set"])
def test_free_memory_goes_to_the_guest_that_asks(name: str, backend: str) -> None:
    """Idle guests could each have more by weight than they ever ask for; it stayed free beside the one that pages."""
    rare = "set_mib=2 sleep_first_ms=60000"
    idle = [
        workload("memory", rare, memory=4 * MIB, max_memory=LIMIT, weight=2048, name=f"idle{i}")
        for i in range(IDLERS)
    ]
    run = boot(
        *idle,
        victim(f"set_mib={NEED} swap_us=20"),
        backend=backend,
        memctl=Policy(name),
        memory=200 * MIB,
        dom0_memory=32 * MIB,
        trace_bytes=TRACE,
        duration=4_000 * MILLISECOND,
    )
    assert_sound(run)
    has = frames(run, "victim")
    print(f"{name} on {backend}: the victim came to {has / FRAMES_PER_MIB:.1f} MiB")
    assert has > (NEED - 3) * FRAMES_PER_MIB, said(run)
    assert report(run).ejected is None
