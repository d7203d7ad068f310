"""Several Linux guests at once: whatever becomes of one, the others do their work, and a run repeats to the bit."""

from __future__ import annotations

from linux_guests import assert_done, linux, run_linux
from machines import CRASHED, assert_sound, said, scheduler

from bulkhead import TimelineEntry
from bulkhead.linux.report import results
from bulkhead.spec import SECOND

REBOOTED = 1  # SHUTDOWN_reboot


def test_four_at_once_one_panics_one_starves_one_is_destroyed() -> None:
    """One panics, one runs out of memory and panics, one is destroyed while it boots; the fourth does not notice."""
    guests = (
        linux("worker", "cpus"),
        linux("panics", "panic"),
        linux("starves", "oom:panic", words="quiet panic=-1"),
        linux("destroyed"),
    )
    run = run_linux(
        *guests,
        timeline=(TimelineEntry(3 * SECOND, "destroy", "destroyed"), TimelineEntry(4 * SECOND, "audit")),
        seconds=120,
        sched=scheduler(),
    )
    assert run.exit_status == 3, said(run)
    assert_done(run, "worker", "cpus")
    for name in ("panics", "starves"):
        entry = run.landmark.ledger[name]
        assert (entry.shutdown_reason, entry.frames_owned) == (CRASHED, 0), said(run)
        assert "Kernel panic" in run.consoles[name], said(run)
    assert run.landmark.ledger["destroyed"].frames_owned == 0
    assert_sound(run)


def test_a_guest_that_reboots_starts_anew() -> None:
    run = run_linux(linux(words="quiet bulkhead.end=reboot"), seconds=29)
    assert run.exit_status == 5, said(run)
    assert len(results(run.consoles["linux"], "boot")) == 2, said(run)
    assert [int(record["a"]) for record in run.select("domain_shutdown")] == [REBOOTED, REBOOTED], said(run)
    assert_sound(run)


def test_three_at_once_repeat_to_the_bit() -> None:
    def once() -> str:
        guests = (linux("one", vcpus=2), linux("two"), linux("three", words="quiet nosmp"))
        run = run_linux(*guests, seconds=4, sched=scheduler())
        assert run.exit_status == 5, said(run)
        assert_sound(run)
        return run.trace_sha256

    assert once() == once()
