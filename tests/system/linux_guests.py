"""Linux guests for system tests: Debian's kernel with an image of ours."""

from __future__ import annotations

from typing import Any

from machines import said

from bulkhead import MIB, SECOND, Guest, Machine, Run, TimelineEntry
from bulkhead.linux.kernel import DEBIAN_KERNEL
from bulkhead.linux.report import results, status


# The kernel tests its ciphers while it boots, a quarter of the time: nothing that a hypervisor takes part in.
UNTESTED_CIPHERS = "cryptomgr.notests"


def linux(
    name: str = "linux", *jobs: str, image: str = "small", words: str = "quiet", **changes: Any
) -> Guest:
    """A guest of 128 MiB that does these jobs and powers off."""
    cmdline = " ".join(["console=hvc0", UNTESTED_CIPHERS, words, *(f"bulkhead.job={job}" for job in jobs)])
    values: dict[str, Any] = {"memory": 128 * MIB, **changes}
    return Guest(name, DEBIAN_KERNEL, cmdline, initrd=f"image:{image}", **values)


def run_linux(
    *guests: Guest, timeline: tuple[TimelineEntry, ...] = (), seconds: float = 60, **changes: Any
) -> Run:
    """A machine with as much memory as these guests need."""
    memory = sum(guest.memory for guest in guests) + 256 * MIB
    values: dict[str, Any] = {"memory": memory, "duration": round(seconds * SECOND), **changes}
    return Machine(guests=guests, timeline=timeline, **values).run()


def assert_done(run: Run, name: str, *jobs: str) -> None:
    """The guest reached its first program, did its jobs, and powered off."""
    console = run.consoles.get(name, "")
    assert results(console, "boot"), said(run)
    for job in jobs:
        assert status(console, job.partition(":")[0]) == 0, said(run)
    entry = run.landmark.ledger[name]
    assert (entry.state, entry.shutdown_reason, entry.frames_owned) == ("gone", 0, 0), said(run)
