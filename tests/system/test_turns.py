"""Several pCPUs take turns in the emulator: short ones, equally long, each as often as the others."""

from __future__ import annotations

import resource

import pytest
from machines import MILLISECOND, boot, said, workload

from bulkhead import SECOND, Run

TURN = {2: 2_500, 4: 1_250, 8: 1_000}  # ns
GAPS = 2_000


def measured(run: Run, name: str) -> dict[str, int]:
    """The numbers of the line that the workload prints."""
    line = next(line for line in run.consoles[name].splitlines() if line.startswith("RESULT"))
    pairs = (word.split("=") for word in line.split()[2:])
    return {key: int(value) for key, value in pairs}


@pytest.mark.parametrize("pcpus", TURN)
@pytest.mark.parametrize("busy", (False, True))
def test_a_pcpu_has_every_nth_turn(pcpus: int, busy: bool) -> None:
    """A guest sees a gap of all others' turns after each of its own, whether the others idle or work."""
    hogs = [workload("cpu_hog", name=f"hog{i}", affinity=(i,)) for i in range(1, pcpus) if busy]
    run = boot(
        workload("gaps", f"gaps={GAPS}", affinity=(0,)), *hogs, pcpus=pcpus, duration=300 * MILLISECOND
    )
    found = measured(run, "gaps")
    assert found["ran"] / GAPS == pytest.approx(TURN[pcpus], rel=0.02), said(run)
    assert found["stopped"] / GAPS == pytest.approx(TURN[pcpus] * (pcpus - 1), rel=0.02)


@pytest.mark.parametrize("pcpus", [1, 2, 4])
def test_a_guest_does_not_sleep_for_a_deadline_that_is_past(pcpus: int) -> None:
    """Its timer is served before it goes on, and not at the end of a turn."""
    run = boot(workload("timer_storm", name="storm"), pcpus=pcpus, duration=50 * MILLISECOND)
    window = run.select("timer_fire", "storm")
    assert len(window) > 1_000
    assert len(run.select("run_out", "storm")) < 20, said(run)


def host_seconds() -> float:
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("pcpus", [1, 2, 4])
def test_a_common_sleep_costs_the_host_nothing(pcpus: int) -> None:
    """The clock jumps over it, and the timer of the turns does not run."""
    before = host_seconds()
    run = boot(
        workload("periodic", "period_us=5000000 work_us=10 sleep_first_ms=1"),
        pcpus=pcpus,
        duration=10 * SECOND,
        end_when_idle=False,
    )
    took = host_seconds() - before
    print(f"{pcpus} pCPUs: {took:.2f} s")
    assert run.landmark.now >= 10 * SECOND, said(run)
    assert took < 2, said(run)
