"""While a vCPU is queued, every idle pCPU that it may use is asked to pick, in both worlds."""

from __future__ import annotations

import pytest
from bootstrap.build import build_dir
from machines import BACKENDS, MILLISECOND, boot, said, workload

from bulkhead import Policy

PER_PCPU = str(build_dir("release") / "faulty" / "per_pcpu.so")
PERIOD = 5 * MILLISECOND
PROMPT = 300_000  # ns from a wake to the run; a second look at an idle pCPU comes after 1 ms only


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pcpus", (2, 3))
def test_a_queue_for_each_pcpu_needs_no_place(backend: str, pcpus: int) -> None:
    """The policy queues a vCPU where it did not run last, and says nothing of it: the pCPU asked first declines."""
    task = workload("periodic", f"period_us={PERIOD // 1000} work_us=100", name="task")
    run = boot(task, backend=backend, pcpus=pcpus, sched=Policy(PER_PCPU), duration=400 * MILLISECOND)
    report = next(report for report in run.landmark.policies if report.kind == "scheduler")
    assert report.ejected is None, said(run)
    turns = run.select("run_in", "task")
    assert len(turns) > 0.8 * 400 * MILLISECOND / PERIOD
    assert len(set(turns["pcpu"])) == pcpus, "each queue was served"
    assert max(turns["b"]) < PROMPT, "waiting before a turn"
