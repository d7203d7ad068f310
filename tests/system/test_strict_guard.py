"""The strict guard: a hook that writes beyond its policy's memory ejects it and names the address; the rest is as without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from machines import FAULTY, MILLISECOND, POWERED_OFF, assert_sound, boot, said, workload
from test_chaos import PICK
from test_ejection import WAYS, scheduler_report
from test_switch_cost import NS, storm, switches

from bulkhead import GuestDisk, GuestNet, Policy, Run, TimelineEntry
from bulkhead.policy.choose import choose
from bulkhead.policy.tables import built_policies
from bulkhead.testing.check import writes
from bulkhead.testing.guest import ALL_TOGETHER, GUEST, VERDICT, machine

STRAY_WRITE = 8  # of misbehave
ENDLESS_CALLS = 14  # of chaos
# A page of low memory that nothing reads once the machine has started, as it lies in the hypervisor's view of all memory.
HARMLESS = 0xFFFF_8300_0001_0000
TARGETS = [
    (HARMLESS, "the machine's memory"),
    (0xFFFF_8200_0000_0100, "the frame table"),
    (0xFFFF_8280_0010_0000, "the hypervisor's own data"),
    (0xFFFF_8280_3F00_7F00, "a stack of the hypervisor"),
    (0xFFFF_8280_8000_0000 + (2 * 4 << 30), "the memory of schedulers"),  # the fallback's
    (0xFFFF_82C0_0000_0000, "the structures of domains"),
    (0xFFFF_8100_0000_7000, "a stack for hooks"),  # where the pointer to the Pcpu is
    (0x0000_0000_0040_0000, "no address of the hypervisor"),
]
# Instructions of a whole switch with round_robin: two loads of CR3 and some thirty instructions more for each hook.
WHOLE_SWITCH = 1180


def stray_write(address: int, guard: str) -> Run:
    parameters = {"way": STRAY_WRITE, "address": address - (1 << 64 if address >= 1 << 63 else 0)}
    return boot(
        workload("compute", "for_ms=100", name="one"),
        workload("periodic", "period_us=5000 work_us=50", name="sleeper"),
        sched=Policy(FAULTY, parameters),
        guard=guard,
    )


@pytest.mark.parametrize(("address", "place"), TARGETS, ids=[place for _, place in TARGETS])
def test_a_stray_write_ejects_the_policy_and_changes_nothing(address: int, place: str) -> None:
    run = stray_write(address, "strict")
    report = scheduler_report(run)
    assert (report.ejected, report.hook) == ("trapped", "pick"), said(run)
    assert report.why is not None and f"a write to {address:#x} ({place})" in report.why
    assert report.why in run.consoles["bulkhead"]
    assert run.landmark.ledger["one"].shutdown_reason == POWERED_OFF, said(run)
    assert_sound(run)


def test_without_it_the_write_is_not_seen() -> None:
    run = stray_write(HARMLESS, "normal")
    assert scheduler_report(run).ejected is None, said(run)
    assert_sound(run)


@pytest.mark.parametrize(("name", "way", "fault", "hook"), WAYS)
def test_other_misconduct_is_found_as_without(name: str, way: int, fault: str, hook: str) -> None:
    run = boot(
        workload("compute", "for_ms=100", name="one"),
        workload("periodic", "period_us=5000 work_us=50", name="sleeper"),
        sched=Policy(FAULTY, {"way": way}),
        guard="strict",
    )
    report = scheduler_report(run)
    assert (report.ejected, report.hook) == (fault, hook), said(run)
    assert run.landmark.ledger["one"].shutdown_reason == POWERED_OFF, said(run)
    assert_sound(run)


def test_a_hook_without_end_on_its_stack_is_found() -> None:
    policy = Policy("chaos", {"mode": ENDLESS_CALLS, "hook": PICK, "after": 30_000})
    run = boot(workload("compute", "for_ms=100", name="one"), sched=policy, guard="strict")
    report = scheduler_report(run)
    assert (report.ejected, report.hook) == ("trapped", "pick"), said(run)
    assert report.why is not None and "(a stack for hooks)" in report.why
    assert_sound(run)


def served(kind: str, name: str, *later: TimelineEntry) -> None:
    """A machine on which a policy of any kind has work, on two pCPUs."""
    tuned = TimelineEntry(at=20 * MILLISECOND, action="set_weight", guest="one", argument=128)
    disk, lan = (GuestDisk(size=1 << 20),), (GuestNet(),)
    policies = {folder: Policy(name) for own, folder in KINDS if own == kind}
    run = boot(
        workload("compute", "for_ms=80", name="one", weight=512),
        workload("disk", "for_ms=80", name="reader", disks=disk),
        workload("udp_echo", "", name="echo", nets=lan),
        workload("udp_rr", "for_ms=80 peer=echo", name="asker", nets=lan),
        timeline=(tuned, *later),
        pcpus=2,
        guard="strict",
        **policies,
    )
    assert all(report.ejected is None for report in run.landmark.policies), said(run)
    serving = [report.name for report in run.landmark.policies]
    assert (later[-1].policy.name if later and later[-1].policy else name) in serving
    assert_sound(run)


KINDS = (("scheduler", "sched"), ("memory", "memctl"), ("ring", "ringctl"))
SHIPPED = [(kind, name) for kind, _ in KINDS for name in sorted(built_policies(kind)) if name != "chaos"]


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_shipped_policies_serve_under_it(kind: str, name: str) -> None:
    served(kind, name)


def test_a_policy_takes_over_under_it() -> None:
    swap = TimelineEntry(at=30 * MILLISECOND, action="swap", policy=Policy("credit"))
    served("scheduler", "round_robin", swap)


def test_what_it_costs() -> None:
    run = boot(
        storm("one"),
        storm("two"),
        sched=Policy("round_robin"),
        ns_per_instruction=NS,
        duration=60 * MILLISECOND,
        guard="strict",
    )
    cost = np.median(switches(run))
    print(f"switch with round_robin under the strict guard: median {cost:.0f} instructions")
    assert cost <= WHOLE_SWITCH


def test_guests_cannot_tell() -> None:
    """All tests of the guest ABI in one boot have the same verdicts."""
    verdicts = [
        VERDICT.findall(replace(machine(ALL_TOGETHER), guard=guard).run().consoles[GUEST])
        for guard in ("normal", "strict")
    ]
    assert len(verdicts[0]) > 50
    assert verdicts[0] == verdicts[1]


def test_check_has_a_line_for_it() -> None:
    assert writes(Policy("credit"), choose("scheduler", Policy("credit")).policy, 1).holds
    spec = Policy(FAULTY, {"way": STRAY_WRITE, "address": HARMLESS - (1 << 64)})
    verdict = writes(spec, choose("scheduler", spec).policy, 1)
    assert not verdict.holds and f"seed 1: trapped in pick: a write to {HARMLESS:#x}" in verdict.detail
