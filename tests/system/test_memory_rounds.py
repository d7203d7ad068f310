"""Guests come, fill up, follow their balloons and go, in random order: every frame comes back."""

from __future__ import annotations

import random

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Paging, Policy, Run
from bulkhead.model.machine import TimelineEntry

# What the guests do with their memory: use it, hoard it, give it back or not, or build page tables in it.
KINDS = (
    ("memory", "set_mib=6 work_us=5 swap_us=100"),
    ("memory_hoard", ""),
    ("memory_hoard", "stubborn=1"),
    ("memory_thrash", ""),
    ("memory_fragment", ""),
    ("fork_bomb", ""),
    ("idle_then_busy", "busy_ms=5 idle_ms=5 swap_us=100"),
    ("working_set", ""),
)
FEW, MANY = 16, 1_000  # rounds: a guest comes, or goes
AUDIT_EVERY = 50  # rounds
TAIL = 200 * MILLISECOND  # until the last one is gone
PARTS = 9  # one for each of the guests, and for one more: 7 MiB
# And how many zones memory is cut into.
POLICIES = (
    (Policy("proportional_share"), 1),
    (Policy("static_partition", {"parts": PARTS}), PARTS),
    (Policy("coloring", {"parts": PARTS}), PARTS),
)


def rounds(count: int, policy: Policy, zones: int) -> Run:
    """Each round creates or destroys a guest; in between they take and give back as policy and balloon say."""
    chance = random.Random(1)
    names = [f"g{i}" for i in range(len(KINDS))]
    timeline, alive, now = [], set(), 0
    for number in range(count):
        now += chance.randint(2, 12) * MILLISECOND
        name = chance.choice(names)
        timeline.append(TimelineEntry(now, "destroy" if name in alive else "create", name))
        alive ^= {name}
        if number % AUDIT_EVERY == 0:
            timeline.append(TimelineEntry(now, "audit"))
    for name in sorted(alive):
        now += 5 * MILLISECOND
        timeline.append(TimelineEntry(now, "destroy", name))
    timeline.append(TimelineEntry(now + TAIL, "create", "last"))  # it wants whole extents
    run = boot(
        *(
            workload(kind, options, name=name, memory=MIB, max_memory=12 * MIB)
            for name, (kind, options) in zip(names, KINDS, strict=True)
        ),
        workload("extents", "want=2 for_ms=20", name="last", memory=MIB, max_memory=7 * MIB),
        absent=(*names, "last"),
        timeline=tuple(timeline),
        sched=Policy("credit2"),
        memctl=policy,
        memory=112 * MIB,
        dom0_memory=32 * MIB,
        paging=Paging(zones=zones, period_us=20_000, swap_us=100, sampled=0),
        duration=now + 2 * TAIL,
        end_when_idle=False,
    )
    assert_sound(run)
    return run


def taken(run: Run) -> int:
    """Frames that are still not free at the end: those of domain 0 and of the hypervisor."""
    return run.landmark.free_frames_at_boot - run.landmark.free_frames


@pytest.mark.parametrize("policy, zones", POLICIES, ids=lambda value: getattr(value, "name", value))
def test_every_frame_comes_back(policy: Policy, zones: int) -> None:
    few, many = rounds(FEW, policy, zones), rounds(MANY, policy, zones)
    assert many.landmark.audit_runs >= MANY / AUDIT_EVERY, said(many)
    created = len(many.select("domain_create"))
    print(
        f"{policy.name}: {created} lives, {len(many.select('memory_release'))} releases, {many.landmark.r_max}"
    )
    assert created > MANY / 3 and len(many.select("domain_gone")) >= created - 1, said(many)
    moved = many.select("memory_grant")["b"] & 0xFFFFFFFF
    assert moved.sum() > 5 * many.landmark.ram_frames, "the rounds use the machine up many times"
    assert taken(many) == taken(few)
    if zones > 1:
        assert " refused=0" in many.consoles["last"] and " got=0" not in many.consoles["last"], said(many)
