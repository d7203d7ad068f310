"""Several pCPUs: all of them work, the ledger adds up on each, and a run repeats to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, assert_sound, boot, said, share, window, workload

from bulkhead import Guest, Run, TimelineEntry

PCPUS = (1, 2, 4, 8)


def hogs(count: int) -> list[Guest]:
    return [workload("cpu_hog", name=f"hog{i}") for i in range(count)]


@pytest.mark.parametrize("pcpus", PCPUS)
def test_as_many_hogs_as_pcpus_have_one_each(pcpus: int) -> None:
    run = boot(*hogs(pcpus), pcpus=pcpus, duration=150 * MILLISECOND)
    assert_sound(run)
    assert len(run.landmark.pcpus) == pcpus
    for i in range(pcpus):
        assert share(run, f"hog{i}") > 0.95 / pcpus, said(run)


@pytest.mark.parametrize("pcpus", PCPUS)
def test_all_time_of_all_pcpus_is_billed(pcpus: int) -> None:
    guests = [workload(kind, name=kind) for kind in ("compute", "yield_storm", "timer_storm", "event_storm")]
    run = boot(*guests, *hogs(pcpus), pcpus=pcpus, duration=100 * MILLISECOND)
    assert_sound(run)
    walls = {pcpu.wall_ns for pcpu in run.landmark.pcpus}
    assert len(walls) == 1, "the ledgers of all pCPUs open and close together"
    assert min(walls) >= run.machine.duration


@pytest.mark.parametrize("pcpus", PCPUS)
def test_the_same_seed_gives_the_same_trace(pcpus: int) -> None:
    guests = [workload("compute"), workload("event_storm"), workload("timer_storm"), workload("cpu_hog")]
    first, second = (boot(*guests, pcpus=pcpus, duration=100 * MILLISECOND) for _ in range(2))
    assert first.trace_sha256 == second.trace_sha256
    assert first.consoles == second.consoles


@pytest.mark.parametrize("pcpus", (2, 4))
def test_pcpus_that_sleep_together_wake_at_the_same_instants(pcpus: int) -> None:
    """The clock jumps while all sleep, and the emulator decides in another thread from where."""
    tasks = [
        workload("periodic", f"period_us={period} work_us=50", name=f"every{period}")
        for period in (1000, 1700)
    ]
    first, second = (boot(*tasks, pcpus=pcpus, duration=300 * MILLISECOND) for _ in range(2))
    assert sum(pcpu.idle_ns for pcpu in first.landmark.pcpus) > 0.8 * sum(
        p.wall_ns for p in first.landmark.pcpus
    )
    assert first.trace_sha256 == second.trace_sha256


def test_guests_share_fewer_pcpus_fairly() -> None:
    run = boot(*hogs(4), pcpus=2, duration=400 * MILLISECOND)
    assert_sound(run)
    for i in range(4):
        assert share(run, f"hog{i}") == pytest.approx(0.25, abs=0.04), said(run)


def where(run: Run, name: str) -> set[int]:
    """The pCPUs on which a guest began to run after start-up."""
    records = run.select("run_in", name)
    return {int(pcpu) for pcpu in records["pcpu"][records["time"] > window(run).start]}


def test_affinity_is_obeyed_and_can_change() -> None:
    half = 200 * MILLISECOND
    timeline = (
        TimelineEntry(0, "set_affinity", "hog0", 0b10),
        TimelineEntry(0, "set_affinity", "hog1", 0b10),
        TimelineEntry(0, "set_affinity", "hog2", 0b01),
        TimelineEntry(half, "set_affinity", "hog1", 0b01),
    )
    run = boot(*hogs(3), pcpus=2, timeline=timeline, duration=2 * half)
    assert_sound(run)
    assert where(run, "hog0") == {1} and where(run, "hog2") == {0} and where(run, "hog1") == {0, 1}, said(run)
    moved = run.select("run_in", "hog1")
    change = int(run.select("timeline")["time"].max())
    assert set(moved["pcpu"][moved["time"] > change + MILLISECOND]) == {0}


def test_nobody_runs_twice_at_once() -> None:
    run = boot(*hogs(5), pcpus=4, duration=150 * MILLISECOND)
    for i in range(5):
        ins, outs = run.select("run_in", f"hog{i}"), run.select("run_out", f"hog{i}")
        steps = np.concatenate([np.ones(len(ins), int), -np.ones(len(outs), int)])
        times = np.concatenate([ins["time"], outs["time"]])
        running = np.cumsum(steps[np.lexsort((steps, times))])
        assert set(running) <= {0, 1}
