"""The life of Linux guests: memory that grows up to its most, births and deaths at any point of a boot."""

from __future__ import annotations

import os

from linux_guests import assert_done, linux, run_linux
from machines import MILLISECOND, assert_sound, said

from bulkhead import MIB, SECOND, Run, TimelineEntry
from bulkhead.linux.report import results

ROUNDS = int(os.environ.get("BULKHEAD_LINUX_LIVES", "12"))
FEW = 2
LOOK = 20  # rounds between two looks at what is held; before a look a guest lives on in user space
NEVER = 10_000 * SECOND
PAUSE = 200 * MILLISECOND  # between a death and the next birth
LONG = 16 * SECOND  # well into user space


def test_memory_grows_up_to_its_most_and_no_further() -> None:
    jobs = ("balloon:96:0", "balloon:160", "balloon:200", "balloon:88:2000", "log")
    run = run_linux(linux("linux", *jobs, memory=96 * MIB, max_memory=160 * MIB), memory=512 * MIB)
    assert_done(run, "linux", *jobs)
    rows = [row for row in results(run.consoles["linux"], "balloon") if "asked_kib" in row]
    start, most, beyond, least = (int(row["memtotal_kib"]) // 1024 for row in rows)
    assert most - start == 64, said(run)
    assert beyond == most, said(run)
    assert start - least == 8, said(run)
    assert run.landmark.ledger["linux"].frames_peak == 160 * MIB // 4096, said(run)
    assert_sound(run)


def life(number: int) -> int:
    """How long a guest lives, ns: another point of its boot each time, or longer."""
    return LONG if number % LOOK == LOOK - 1 else (100 + number * 370 % 1000 + number // 100) * MILLISECOND


def lives(count: int) -> Run:
    """A Linux guest that is created and destroyed `count` times; the manifest is of one size."""
    timeline, at = [], 0
    for number in range(ROUNDS):
        born = at if number < count else NEVER + at
        timeline.append(TimelineEntry(born, "create", "linux"))
        timeline.append(TimelineEntry(born + life(number), "destroy", "linux"))
        at += life(number) + PAUSE
        if number == 0 or number % LOOK == LOOK - 1:
            timeline.append(TimelineEntry(born + life(number) + PAUSE // 2, "audit"))
    end = sum(life(number) + PAUSE for number in range(count))
    run = run_linux(
        linux("linux", words="quiet bulkhead.end=stay"),
        timeline=(*timeline, TimelineEntry(end, "audit")),
        seconds=end / SECOND + 1,
        end_when_idle=False,
    )
    assert len(run.select("domain_gone")) == count, said(run)
    assert run.landmark.audit_runs and not run.landmark.audit_failures
    assert len(results(run.consoles.get("linux", ""), "boot")) == count // LOOK, said(run)
    return run


def held(run: Run) -> list[str]:
    """What domain 0 had and used at each look: pages, nodes and blocks of xenstore, ports."""
    return [line for line in run.consoles["dom0"].splitlines() if "free pages" in line]


def test_births_and_deaths_at_any_point_of_a_boot_leave_nothing_behind() -> None:
    """Frames, descriptions of frames, accounts, pages of domain 0, its ports and what it has in xenstore.

    BULKHEAD_LINUX_LIVES=200 makes it two hundred rounds.
    """
    many, few = lives(ROUNDS), lives(FEW)
    assert many.landmark.free_frames == few.landmark.free_frames
    assert len(held(many)) == ROUNDS // LOOK + 2
    assert len(set(held(many) + held(few))) == 1, held(many)
