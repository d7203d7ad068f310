"""What a guest is told about time: real, virtual (stands still while it waits for a pCPU), dilated (k times slower)."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, boot, said, workload

from bulkhead import Policy, Run

TOLD = 100 * MILLISECOND  # what the guest's own clock measures before it ends


def real_time_of(run: Run, name: str) -> int:
    """Real time from a guest's first instruction to its end, ns."""
    domain = run.domain_id(name)
    began = run.select("run_in")
    ended = run.select("domain_shutdown")
    return int(ended[ended["domain"] == domain]["time"][0] - began[began["domain"] == domain]["time"][0])


@pytest.mark.parametrize(("mode", "factor"), [("real", 1.0), ("dilated:4", 4.0)])
def test_a_clock_runs_at_its_rate(mode: str, factor: float) -> None:
    run = boot(workload("compute", "for_ms=100", name="subject", time_mode=mode), duration=800 * MILLISECOND)
    assert "RESULT name=compute" in run.consoles["subject"], said(run)
    assert real_time_of(run, "subject") == pytest.approx(factor * TOLD, rel=0.1)


@pytest.mark.parametrize(("mode", "factor"), [("real", 1.0), ("virtual", 2.0)])
def test_a_virtual_clock_stands_still_while_its_guest_waits(mode: str, factor: float) -> None:
    run = boot(
        workload("compute", "for_ms=100", name="subject", time_mode=mode),
        workload("cpu_hog"),
        sched=Policy("round_robin", {"slice": 1000}),
        duration=800 * MILLISECOND,
    )
    assert "RESULT name=compute" in run.consoles["subject"], said(run)
    assert real_time_of(run, "subject") == pytest.approx(factor * TOLD, rel=0.15)
