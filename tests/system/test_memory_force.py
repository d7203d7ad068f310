"""A guest that keeps memory which its policy wants by force gets no new frames and less time, on both back ends."""

from __future__ import annotations

import numpy as np
import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, Paging, Policy, Run, TimelineEntry
from bulkhead.metrics import Schema, Trace, Window, run_intervals, shares

PATIENCE_MS, PERIOD_MS, COMES_MS, LASTS_MS = 50, 20, 500, 1_000
TURNS = 40 * MILLISECOND  # in which a part of the guest's time is withheld


def keeper(stubborn: bool) -> Guest:
    """Is there first, and uses its set all the time: more than what it may have later."""
    words = f"set_mib=16 work_us=20 swap_us=200 mark_ops=100 stubborn={int(stubborn)}"
    return workload("memory", words, name="keeper", memory=4 * MIB, max_memory=40 * MIB)


def pressed(
    backend: str, stubborn: bool = True, by_force: int = 1, timeline: tuple[TimelineEntry, ...] = ()
) -> Run:
    comes = workload(
        "memory",
        "work_us=20 swap_us=200 mark_ops=100",
        name="comes",
        memory=4 * MIB,
        max_memory=40 * MIB,
        memctl={"min": 36},
    )
    return boot(
        keeper(stubborn),
        comes,
        backend=backend,
        absent=("comes",),
        timeline=(TimelineEntry(COMES_MS * MILLISECOND, "create", "comes"), *timeline),
        pcpus=2,
        memory=120 * MIB,
        dom0_memory=32 * MIB,
        trace_bytes=8 * MIB,
        memctl=Policy("min_max", {"patience": PATIENCE_MS}),
        paging=Paging(period_us=PERIOD_MS * 1000, swap_us=200, sampled=0, by_force=by_force),
        duration=LASTS_MS * MILLISECOND,
    )


def lowered(run: Run) -> int:
    """When the keeper had more than its target for the first time after the other guest came."""
    rows = run.select("memory_target", "keeper")
    return int(rows["time"][rows["a"] < rows["b"]][0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_gets_less_time_step_by_step_and_keeps_a_quarter(backend: str) -> None:
    run = pressed(backend)
    assert_sound(run)
    rows = run.select("memory_press")
    assert set(rows["domain"]) == {run.domain_id("keeper")}, said(run)
    assert list(rows["b"]) == [250, 500, 750], said(run)
    first = int(rows["time"][0]) - lowered(run) - PATIENCE_MS * MILLISECOND
    assert 0 <= first <= (PERIOD_MS + 20) * MILLISECOND, "a period and a turn after the patience, at most"
    assert [int(gap) for gap in np.diff(rows["time"].astype(np.int64))] == pytest.approx(
        [TURNS] * 2, abs=TURNS / 20
    )
    assert run.landmark.ledger["keeper"].withheld == 750 and run.landmark.ledger["comes"].withheld == 0
    end = int(run.trace["time"][-1])
    late = Window(end - 5 * TURNS, end)
    part = shares(run_intervals(Trace(run.trace, Schema.built())), late, [run.domain_id("keeper")], 1)
    assert part[run.domain_id("keeper")] == pytest.approx(0.25, abs=0.03), "of a pCPU that it has for itself"


# Five instants of a turn each: in some of them its time is withheld, in others not.
@pytest.mark.parametrize("late_ms", (0, 8, 16, 24, 32))
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pause_holds_and_ends_whatever_is_withheld(backend: str, late_ms: int) -> None:
    begins, ends = (800 + late_ms) * MILLISECOND, (880 + late_ms) * MILLISECOND
    orders = (TimelineEntry(begins, "pause", "keeper"), TimelineEntry(ends, "unpause", "keeper"))
    run = pressed(backend, timeline=orders)
    assert_sound(run)
    paused, unpaused = (run.select(event, "keeper")["time"] for event in ("domain_pause", "domain_unpause"))
    between = Window(int(paused[-1]) + MILLISECOND, int(unpaused[-1]))
    end = int(run.trace["time"][-1])
    after = Window(end - 2 * TURNS, end)
    keeper, intervals = run.domain_id("keeper"), run_intervals(Trace(run.trace, Schema.built()))
    assert shares(intervals, between, [keeper], 1)[keeper] == 0, said(run)
    assert shares(intervals, after, [keeper], 1)[keeper] == pytest.approx(0.25, abs=0.06), said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_gets_no_new_frame_and_keeps_those_that_it_has(backend: str) -> None:
    run = pressed(backend)
    assert_sound(run)
    asked = run.select("memory_grant", "keeper")
    after = asked[asked["time"] > run.select("memory_press")["time"][0]]
    granted = after["b"].astype(np.int64) & 0xFFFFFFFF
    assert not granted.any(), said(run)
    assert len(run.select("memory_reclaim")) == 0 and len(run.select("memory_release", "keeper")) == 0
    has = int(run.select("memory_press")["a"][0])
    assert run.landmark.ledger["keeper"].frames_owned == pytest.approx(has, abs=16)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("stubborn", "by_force"), [(False, 1), (True, 0)])
def test_nobody_is_pressed_who_obeys_or_where_force_is_off(
    backend: str, stubborn: bool, by_force: int
) -> None:
    run = pressed(backend, stubborn, by_force)
    assert_sound(run)
    lowered(run)
    assert len(run.select("memory_press")) == 0, said(run)
