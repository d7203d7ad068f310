"""A computer that does other things meanwhile: where instructions are not counted, its pauses are the machine's time."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from machines import MILLISECOND, boot, said, workload

PAUSE = 0.002  # s, and as long between two


def children() -> set[int]:
    """Processes that this one has begun."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(word) for task in tasks for word in task.read_text().split()}


def pause_again_and_again(done: threading.Event, paused: list[int]) -> None:
    """Stops every child for a moment, until `done`."""
    while not done.is_set():
        begun = children()
        for moment in (signal.SIGSTOP, signal.SIGCONT):
            for pid in begun:
                with suppress(ProcessLookupError):
                    os.kill(pid, moment)
            time.sleep(PAUSE)
        paused.append(len(begun))


def test_the_fallback_is_not_blamed_for_the_computers_pauses() -> None:
    """Half of all time is a pause, and a machine that switches all the time is often in a hook when one begins."""
    done, paused = threading.Event(), list[int]()
    thread = threading.Thread(target=pause_again_and_again, args=(done, paused))
    thread.start()
    try:
        storms = [workload("yield_storm", name=name) for name in ("one", "two")]
        run = boot(*storms, sched=None, ns_per_instruction=None, duration=1_500 * MILLISECOND)
    finally:
        done.set()
        thread.join()
    assert sum(paused) > 100
    assert run.landmark.state == "finished", said(run)
    report = next(report for report in run.landmark.policies if report.kind == "scheduler")
    assert report.ejected is None
    assert report.hook_max_ns > 1_000_000, "a pause fell into a hook"
