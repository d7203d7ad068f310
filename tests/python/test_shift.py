"""Samples shift what they should, by the same offsets wherever they are drawn, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bulkhead import MIB, Guest, Machine, Policy, TimelineEntry
from bulkhead.experiment.find import find, names
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.shift import START_SPREAD_NS, offsets, shifted

MS = 1_000_000
PERIODIC = Guest("task", "workload:periodic", "period_us=3000", memory=4 * MIB, phase=100)
MACHINE = Machine(
    guests=(
        PERIODIC,
        Guest("default", "workload:periodic", memory=4 * MIB),
        Guest("hog", "workload:cpu_hog", memory=4 * MIB, start=5),
        Guest("held", "workload:cpu_hog", memory=4 * MIB, start_paused=True),
        Guest("born", "workload:cpu_hog", memory=4 * MIB),
        Guest("grub", "/usr/lib/grub-xen/grub-x86_64-xen.bin"),
        Guest("disk", "model:disk", "period_us=500", memory=4 * MIB),
        Guest("flood", "model:disk_flood", memory=4 * MIB),
    ),
    sched=Policy("credit"),
    timeline=(
        TimelineEntry(30 * MS, "unpause", "held"),
        TimelineEntry(40 * MS, "pause", "held"),
        TimelineEntry(20 * MS, "create", "born"),
        TimelineEntry(50 * MS, "set_weight", "hog", 9),
        TimelineEntry(60 * MS, "swap", policy=Policy("stride")),
    ),
)
PERIODS = {"task": 3 * MS, "default": 1 * MS, "disk": 500_000}


def test_sample_0_is_the_machine_as_declared() -> None:
    assert shifted(MACHINE, 0) is MACHINE
    assert all((offset.start_ns, offset.phase_ns) == (0, 0) for offset in offsets(MACHINE, 0).values())


@pytest.mark.parametrize("sample", range(1, 30))
def test_starts_and_phases_are_shifted_by_the_offsets_and_nothing_else_is(sample: int) -> None:
    drawn, machine = offsets(MACHINE, sample), shifted(MACHINE, sample)
    assert all(0 <= offset.start_ns < START_SPREAD_NS for offset in drawn.values())
    for before, after in zip(MACHINE.guests, machine.guests):
        own, by_timeline = drawn[before.name], before.name in ("held", "born")
        period = PERIODS.get(before.name, 0)
        assert 0 <= own.phase_ns < max(period, 1)
        assert after.start == before.start + (0 if by_timeline else own.start_ns)
        assert after.phase == ((before.phase + own.phase_ns) % period if period else 0)
        assert replace(after, start=before.start, phase=before.phase) == before
    for entry, moved in zip(MACHINE.timeline, machine.timeline):
        by = drawn[entry.guest].start_ns if entry.guest in ("held", "born") else 0
        assert moved == replace(entry, at=entry.at + by)
    assert replace(machine, guests=MACHINE.guests, timeline=MACHINE.timeline) == MACHINE


def test_offsets_depend_on_sample_and_guest_alone() -> None:
    other = replace(MACHINE, sched=Policy("stride"), seed=9, guests=MACHINE.guests[2:])
    drawn, again = offsets(MACHINE, 7), offsets(other, 7)
    assert again == {name: drawn[name] for name in again}
    assert offsets(MACHINE, 7) != offsets(MACHINE, 8)
    assert (drawn["task"].start_ns, drawn["task"].phase_ns) == (8_233_741, 2_734_227), "on every computer"


def test_offsets_fill_their_range() -> None:
    starts = [offsets(MACHINE, sample)["hog"].start_ns for sample in range(1, 401)]
    quarters = [sum(q <= 4 * start // START_SPREAD_NS < q + 1 for start in starts) for q in range(4)]
    assert min(quarters) > 70 and len(set(starts)) == len(starts)


@pytest.mark.parametrize("name", names())
def test_every_experiment_has_samples(name: str) -> None:
    """No declaration gives a workload's phase in a command line, where a sample could not shift it."""
    experiment = find(name)
    for point in make_plan(experiment, False).points:
        machine = shifted(experiment.machine(point), 3)
        assert all("phase_ns" not in guest.cmdline for guest in machine.guests), point.label
