"""Flushes are requests of their own: the ring policy sees them, and the guest that asks for them pays, on both back ends."""

from __future__ import annotations

import pytest
from machines import BACKENDS, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Disk, Guest, GuestDisk, Policy, Run

FOR_MS = 400
DRIVE = Disk(flush_us=2_000)  # a flush keeps the drive for 2 ms, a random read for 0.41


def guest(name: str, options: str, **changes: object) -> Guest:
    """One that always has 8 requests outstanding."""
    text = f"depth=8 for_ms={FOR_MS} {options}"
    return workload("disk", text, name=name, memory=8 * MIB, disks=(GuestDisk(2 * MIB),), **changes)


def run_on(backend: str, *guests: Guest, ringctl: Policy, disk: Disk = DRIVE) -> Run:
    run = boot(*guests, backend=backend, ringctl=ringctl, disk=disk, duration=SECOND)
    assert run.exit_status == 0, said(run)
    assert_sound(run)
    return run


def served(run: Run, name: str) -> tuple[int, int]:
    """Requests that a guest has had answered, and the drive's time for them [ns]."""
    done = run.select("ring_complete", name)
    return len(done), int(done["b"].sum())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tenant_that_flushes_has_no_more_than_its_share(backend: str) -> None:
    reader, flusher = guest("reader", ""), guest("flusher", "write=1 flush=1")
    times = {}
    for policy in ("fifo", "sfq"):
        run = run_on(backend, reader, flusher, ringctl=Policy(policy))
        assert len(run.select("policy_eject")) == 0
        flushes = run.select("ring_submit", "flusher")["b"] == 0
        assert flushes.mean() == pytest.approx(0.5, abs=0.05)
        times[policy] = {name: served(run, name)[1] for name in ("reader", "flusher")}
    assert times["fifo"]["flusher"] > 2.5 * times["fifo"]["reader"], "who flushes drains the drive for all"
    assert times["sfq"]["flusher"] == pytest.approx(times["sfq"]["reader"], rel=0.05)


@pytest.mark.parametrize("backend", BACKENDS)
def test_flushes_count_under_a_limit_of_requests(backend: str) -> None:
    limited = guest("limited", "write=1 flush=1", ringctl={"limit": 200})
    run = run_on(backend, limited, ringctl=Policy("mclock"), disk=Disk())
    assert served(run, "limited")[0] == pytest.approx(200 * FOR_MS / 1000, abs=6)
