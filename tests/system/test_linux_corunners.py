"""Several Linux guests at once: whatever becomes of one, the others do their work, and a run repeats to the bit.

The guests of the first tests have a timetable with a slot each, so that what one is given does not depend on the others.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from linux_guests import assert_done, linux, run_linux
from machines import CRASHED, MILLISECOND, assert_sound, said, scheduler, workload

from bulkhead import MIB, SECOND, Guest, Policy, Run, TimelineEntry
from bulkhead.linux.report import results

REBOOTED = 1  # SHUTDOWN_reboot
PERIOD_US, SLOT_US = 20_000, 4_000
DOM0_SLOT = {"start": 4 * SLOT_US, "length": 2_000, "period": PERIOD_US}
WORK = ("digest:40", "cpus", "memory")
CLOCKS = "clocks:3:200"
SLOT, PERIOD = SLOT_US * 1000, PERIOD_US * 1000
BORDER = 40_000  # ns: a switch, and the call of its own that a guest finishes when its slot is over
READING = 40_000  # ns: from one clock's reading to the next one's, and a switch between them
DILATION = 4


def slotted(place: int, guest: Guest) -> Guest:
    """The same with a slot of its own in every period."""
    slot = {"start": place * SLOT_US, "length": SLOT_US, "period": PERIOD_US}
    return Guest(**{**guest.__dict__, "sched": slot})


def run_timetable(*guests: Guest, timeline: tuple[TimelineEntry, ...] = ()) -> Run:
    """Nobody gets more than its own slot, whether the others use theirs or not."""
    table = Policy("table", {"fill": 0})
    return run_linux(*guests, timeline=timeline, seconds=120, sched=table, dom0_sched=DOM0_SLOT)


def worker() -> Guest:
    """The bystander."""
    return slotted(0, linux("worker", *WORK))


@cache
def corunners() -> Run:
    """Beside the worker one panics, one runs out of memory and panics, one is destroyed while it boots."""
    return run_timetable(
        worker(),
        slotted(1, linux("panics", CLOCKS, "panic", time_mode="virtual")),
        slotted(
            2, linux("starves", CLOCKS, "oom:panic", words="quiet panic=-1", time_mode=f"dilated:{DILATION}")
        ),
        slotted(3, linux("destroyed")),
        timeline=(TimelineEntry(12 * SECOND, "destroy", "destroyed"), TimelineEntry(16 * SECOND, "audit")),
    )


def test_one_panics_one_starves_one_is_destroyed_and_one_works() -> None:
    run = corunners()
    assert run.exit_status == 3, said(run)
    assert_done(run, "worker", *WORK)
    for name in ("panics", "starves"):
        entry = run.landmark.ledger[name]
        assert (entry.shutdown_reason, entry.frames_owned) == (CRASHED, 0), said(run)
        assert "Kernel panic" in run.consoles[name], said(run)
    assert run.landmark.ledger["destroyed"].frames_owned == 0
    assert "RESULT" not in run.consoles.get("destroyed", ""), "it was destroyed too late"
    assert_sound(run)


def clocks(run: Run, name: str) -> list[dict[str, int]]:
    """What the job said, with the machine's time of the trace as `machine`."""
    samples = [{k: int(v) for k, v in row.items()} for row in results(run.consoles[name], "clocks")[:3]]
    return [{**sample, "machine": sample["tsc"] - run.landmark.clock_origin} for sample in samples]


def test_a_virtual_clock_leaves_out_what_its_guest_waited() -> None:
    """Between two readings it shows the machine's time less the waits that the trace has of the vCPU, exactly."""
    run = corunners()
    waits = run.select("run_in", "panics")
    longest = 0
    for before, after in pairwise(clocks(run, "panics")):
        inside = (waits["time"] > before["machine"]) & (waits["time"] <= after["machine"])
        waited = int(waits["b"][inside].sum())
        longest = max(longest, waited)
        gone = after["machine"] - before["machine"]
        for clock in ("monotonic_ns", "realtime_ns"):
            error = after[clock] - before[clock] - (gone - waited)
            assert abs(error) <= READING, (clock, error, gone, waited, said(run))
    assert longest > 20 * MILLISECOND, "it hardly waited"


def test_a_dilated_clock_is_as_much_slower_as_was_said() -> None:
    run = corunners()
    for before, after in pairwise(clocks(run, "starves")):
        gone = after["machine"] - before["machine"]
        assert gone >= DILATION * 200 * MILLISECOND
        for clock in ("monotonic_ns", "realtime_ns"):
            error = DILATION * (after[clock] - before[clock]) - gone
            assert abs(error) <= DILATION * READING, (clock, error, gone, said(run))


PASSING = ("uptime_ns", "tsc", "memfree_kib", "memavailable_kib")


def answers(run: Run) -> list[str]:
    """All that the worker reports but times, and free memory, which follows them: words of its RESULT lines."""
    lines = [line for line in run.consoles["worker"].splitlines() if "RESULT" in line]
    return [" ".join(w for w in line.split() if not w.startswith(PASSING)) for line in lines]


def whole_slots(run: Run) -> dict[int, int]:
    """What the worker ran [ns] in each of its slots, by number from its start, for those that it used to the end."""
    first = int(run.select("domain_unpause", "worker")["time"][0]) // PERIOD
    supplied: dict[int, int] = {}
    for record in run.select("run_out", "worker"):
        number = int(record["time"]) // PERIOD - first
        supplied[number] = supplied.get(number, 0) + int(record["b"])
    return {number: ran for number, ran in supplied.items() if ran > 0.99 * SLOT}


def test_a_bystander_gets_and_answers_the_same_whatever_becomes_of_the_others() -> None:
    """All it reports but times, to the bit, and in each slot the same supply, but for what happens at its borders."""
    beside, alone = corunners(), run_timetable(worker())
    assert alone.exit_status == 0, said(alone)
    assert answers(beside) == answers(alone)
    assert any("rounds=40 value=" in line for line in answers(alone))
    with_others, by_itself = whole_slots(beside), whole_slots(alone)
    both = with_others.keys() & by_itself.keys()
    assert len(both) > 1500 and len(both) > 0.9 * max(len(with_others), len(by_itself))  # the rest: it slept
    assert max(abs(with_others[number] - by_itself[number]) for number in both) < BORDER
    assert_sound(alone)


def test_a_guest_that_reboots_starts_anew() -> None:
    run = run_linux(linux(words="quiet bulkhead.end=reboot"), seconds=23)
    assert run.exit_status == 5, said(run)
    assert len(results(run.consoles["linux"], "boot")) == 2, said(run)
    assert [int(record["a"]) for record in run.select("domain_shutdown")] == [REBOOTED, REBOOTED], said(run)
    assert_sound(run)


def test_eight_in_two_gib_reach_user_space_and_power_off() -> None:
    run = run_linux(*(linux(f"linux{number}", "cpus") for number in range(8)), memory=2048 * MIB, seconds=200)
    assert run.exit_status == 0, said(run)
    for number in range(8):
        assert_done(run, f"linux{number}", "cpus")
    assert_sound(run)


def repeats(seconds: float, *guests: Guest, **changes: Any) -> None:
    def once() -> str:
        run = run_linux(*guests, seconds=seconds, sched=scheduler(), **changes)
        assert run.exit_status == 5, said(run)
        assert_sound(run)
        return run.trace_sha256

    assert once() == once()


def test_three_at_once_repeat_to_the_bit() -> None:
    repeats(4, linux("one", vcpus=2), linux("two"), linux("three"))


@pytest.mark.parametrize("pcpus", (2, 4, 8))
def test_two_at_once_on_several_pcpus_repeat_to_the_bit(pcpus: int) -> None:
    repeats(1, linux("one", vcpus=2), linux("two"), workload("cpu_hog"), pcpus=pcpus)
