"""Guests that take all memory they can get cannot take what the hypervisor needs, nor what others were promised."""

from __future__ import annotations

import pytest
from machines import FAULTY, MILLISECOND, POWERED_OFF, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, GuestDisk, Machine, Policy, Run, TimelineEntry
from bulkhead.backend.check import overhead, promised_bytes
from bulkhead.backend.qemu import prepare
from bulkhead.base import paths

LATER, LAST = 260 * MILLISECOND, 320 * MILLISECOND  # the memory is gone by then


def need(*guests: Guest) -> int:
    """Bytes of memory that the command asks for."""
    manifest = 8 * MIB  # more than the files of such a machine
    machine = Machine(guests=guests)
    return -(-(sum(map(promised_bytes, guests)) + overhead(machine) + manifest) // MIB) * MIB


def drained(*guests: Guest, leave: int = 0, **changes: object) -> Run:
    """A machine in which one guest of 16 MiB may have 600, more than there is, and takes all but `leave` frames."""
    drain = workload("drain", f"pause_us=200 leave={leave}", max_memory=600 * MIB)
    run = boot(drain, *guests, memory=need(drain, *guests) + 32 * MIB, **changes)
    assert "drain: " in run.consoles["drain"], said(run)
    assert run.landmark.ledger["drain"].frames_peak > 11_000, "it took what there was"
    return run


@pytest.mark.parametrize("leave", (0, 4, 6, 8, 10))
def test_a_swap_in_a_drained_machine_neither_panics_nor_loses_a_guest(leave: int) -> None:
    run = drained(
        workload("compute", "for_ms=350", name="victim", vcpus=32),
        *(workload("compute", "for_ms=10", name=f"more{i}", vcpus=32, memory=4 * MIB) for i in range(4)),
        leave=leave,
        sched=Policy("credit"),
        timeline=tuple(
            TimelineEntry(at * MILLISECOND, "swap", policy=Policy(name))
            for at, name in ((260, "stride"), (280, "credit2"), (300, "round_robin"), (320, "rtds"))
        ),
        duration=700 * MILLISECOND,
    )
    assert run.landmark.ledger["victim"].shutdown_reason == POWERED_OFF, said(run)
    assert run.landmark.policies[0].ejected is None, said(run)
    assert_sound(run)


@pytest.mark.parametrize("way", (1, 3, 6))
def test_the_fallback_needs_no_memory(way: int) -> None:
    """The policy misbehaves when all memory is gone."""
    run = drained(
        workload("compute", "for_ms=350", name="victim", vcpus=32),
        sched=Policy(FAULTY, {"way": way, "after": 600}),
        duration=700 * MILLISECOND,
    )
    report = run.landmark.policies[0]
    assert report.ejected is not None and report.ejected_at > run.landmark.started + LATER, said(run)
    assert run.landmark.ledger["victim"].shutdown_reason == POWERED_OFF, said(run)
    assert_sound(run)


def test_a_guest_that_the_machine_has_no_memory_for_is_refused_and_the_run_goes_on() -> None:
    run = drained(
        workload("compute", "for_ms=350", name="victim"),
        workload("compute", "for_ms=10", name="late"),
        timeline=(TimelineEntry(LATER, "create", "late"), TimelineEntry(LAST, "audit")),
        duration=500 * MILLISECOND,
    )
    assert run.landmark.ledger["victim"].shutdown_reason == POWERED_OFF, said(run)
    assert "late" not in run.landmark.ledger or run.landmark.ledger["late"].guest_ns == 0
    assert "guest 'late'" in run.consoles["dom0"], said(run)
    assert_sound(run)


def test_every_guest_has_its_promise_on_a_machine_as_large_as_asked_for() -> None:
    """Each may grow its grant table to 64 frames, as Linux does, though all others take what they can get."""
    guests = [workload("drain", "for_ms=100 pause_us=50000", name=f"g{i}") for i in range(24)]
    run = boot(*guests, sched=Policy("round_robin"), duration=1500 * MILLISECOND, memory=need(*guests))
    for guest in guests:
        assert "grants=64" in run.consoles[guest.name], said(run)
    assert_sound(run)


def test_drained_guests_end_without_a_trace() -> None:
    test = Guest("test", str(paths.test_image()), cmdline="test=grant_table", memory=32 * MIB)
    run = drained(test, duration=200 * MILLISECOND)
    assert "VERDICT grant_table success" in run.consoles["test"], said(run)
    assert_sound(run)


def started_with(pages: int) -> str:
    """Why a machine of 24 MiB does not start, whose blank disk of so many pages leaves the hypervisor the rest."""
    guest = workload("compute", "for_ms=5", memory=4 * MIB, disks=(GuestDisk(size=pages * 4096),))
    run = boot(guest, memctl=Policy("first_fit"), memory=24 * MIB, duration=20 * MILLISECOND)
    assert (run.exit_status, run.landmark.state) == (2, "finished"), said(run)
    return run.landmark.message


def test_a_machine_too_small_to_start_is_refused_wherever_memory_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No start-up allocation panics. The disk takes the memory before the hypervisor's own parts ask for theirs."""
    monkeypatch.setattr(prepare, "check_memory", lambda *_: None)  # the command would refuse it first
    none = "the machine has too little memory: give it more (--mem)"
    least, most = 0, 24 * MIB // 4096  # pages with which the start gets further, and not so far
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if started_with(middle) == none else (middle, most)
    reasons = {started_with(least - left) for left in (0, 2, 6, 20, 29, 40, 80)}  # frames that are left
    for part in (
        "descriptor page",
        "descriptor tables",
        "policies",
        "scheduler",
        "ring",
        "domain 0",
    ):
        assert any(part in reason for reason in reasons), (part, reasons)
