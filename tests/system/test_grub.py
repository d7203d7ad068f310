"""GRUB, a PV kernel that nobody here wrote: alone, and side by side with hogs while guests are destroyed."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, grub, said, share, workload

from bulkhead import SECOND, Guest, TimelineEntry

PROMPT = "grub>"
GUESTS = ("grub_a", "grub_b", "hog_a", "hog_b")


def crowd() -> tuple[Guest, ...]:
    """Two GRUBs and two hogs."""
    hogs = tuple(workload("cpu_hog", name=name) for name in GUESTS[2:])
    return (grub(GUESTS[0]), grub(GUESTS[1]), *hogs)


def test_grub_reaches_its_prompt() -> None:
    run = boot(grub(), duration=3 * SECOND)
    assert PROMPT in run.consoles["grub"], said(run)
    assert run.exit_status == 5
    assert_sound(run)


def test_two_grubs_and_two_hogs_side_by_side() -> None:
    run = boot(*crowd(), duration=3 * SECOND)
    for name in GUESTS[:2]:
        assert PROMPT in run.consoles[name], said(run)
    shares = [share(run, name) for name in GUESTS[2:]]
    assert abs(shares[0] - shares[1]) < 0.02 and sum(shares) > 0.4
    assert_sound(run)


@pytest.mark.parametrize("victim", GUESTS)
def test_destroying_one_returns_all_its_frames(victim: str) -> None:
    at = 1 * SECOND
    timeline = (
        TimelineEntry(at - 100 * MILLISECOND, "audit"),
        TimelineEntry(at, "destroy", victim),
        TimelineEntry(at + 300 * MILLISECOND, "audit"),
    )
    run = boot(*crowd(), duration=1500 * MILLISECOND, timeline=timeline)
    entry = run.landmark.ledger[victim]
    owned = run.select("domain_destroy", victim)["a"]
    returned = run.select("domain_gone", victim)["a"]
    assert entry.state == "gone" and entry.frames_owned == 0
    assert len(owned) == 1 and owned[0] > 0 and list(returned) == list(owned), said(run)
    assert run.landmark.audit_runs == 3, "both of the plan, and the last"
    for other in set(GUESTS) - {victim}:
        assert run.landmark.ledger[other].state == "alive"
    ran_after = run.trace[(run.trace["time"] > run.select("domain_gone", victim)["time"][0])]
    assert not len(ran_after[ran_after["domain"] == run.domain_id(victim)])
    assert_sound(run)


def test_nothing_is_lost_however_often() -> None:
    """Three guests built and destroyed one after another cost no more than one: the rest is really free again."""
    names = ("a", "b", "c")
    guests = tuple(workload("cpu_hog", name=name) for name in names)

    def life(number: int) -> tuple[TimelineEntry, TimelineEntry]:
        start = 150 * MILLISECOND * number
        name = names[number]
        return TimelineEntry(start, "create", name), TimelineEntry(start + 100 * MILLISECOND, "destroy", name)

    never = (TimelineEntry(1000 * SECOND, "create", "b"), TimelineEntry(1000 * SECOND, "create", "c"))
    runs = [
        boot(*guests, timeline=timeline, duration=600 * MILLISECOND, end_when_idle=False)
        for timeline in ((*life(0), *never), (*life(0), *life(1), *life(2)))
    ]
    assert len(runs[1].select("domain_gone")) == 3 and len(runs[0].select("domain_gone")) == 1
    assert runs[0].landmark.free_frames == runs[1].landmark.free_frames
    for run in runs:
        assert_sound(run)
