"""stress-ng in Linux, each stressor checking itself: nothing fails, and the kernel has nothing to complain about."""

from __future__ import annotations

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said

from bulkhead import MIB
from bulkhead.linux.report import results

SLOW, QUICK = ("cpu", "vm", "fork", "mmap"), ("switch", "pipe", "fault", "signal", "timer")


def test_stressors_find_no_error() -> None:
    jobs = (":".join(("stress", "5", *SLOW)), ":".join(("stress", "500", *QUICK)), "log")
    run = run_linux(linux("linux", *jobs, image="stress", memory=256 * MIB), seconds=90)
    assert_done(run, "linux", *jobs)
    done = [row["stressor"] for row in results(run.consoles["linux"], "stress") if "stressor" in row]
    assert done == [*SLOW, *QUICK], said(run)
    assert_sound(run)
