"""Start, phase and affinity of a guest are obeyed from its first instant, in both worlds."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import Machine, Policy, Run, TimelineEntry
from bulkhead.base.schema import MARKS

LATE = 37 * MILLISECOND
ON_TIME = MILLISECOND  # domain 0 must get the pCPU first
PERIOD = 2 * MILLISECOND


def first_run(run: Run, name: str) -> int:
    """When a guest first ran, ns since the guests were built."""
    return int(run.select("run_in", name)["time"][0]) - run.landmark.started


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_guest_starts_when_it_is_declared_to(backend: str) -> None:
    run = boot(
        workload("compute", name="early"),
        workload("compute", name="late", start=LATE),
        workload("compute", name="later", start=2 * LATE),
        pcpus=2,
        duration=120 * MILLISECOND,
        backend=backend,
    )
    assert_sound(run)
    assert 0 <= first_run(run, "early") < 10 * ON_TIME, said(run)
    assert LATE <= first_run(run, "late") < LATE + ON_TIME, said(run)
    assert 2 * LATE <= first_run(run, "later") < 2 * LATE + ON_TIME, said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_timeline_overrules_a_start(backend: str) -> None:
    """Unpaused before its start; paused before it, which cancels the start; destroyed before it."""
    run = boot(
        *(workload("compute", name=name, start=LATE) for name in ("soon", "never", "gone")),
        timeline=(
            TimelineEntry(10 * MILLISECOND, "unpause", "soon"),
            TimelineEntry(10 * MILLISECOND, "pause", "never"),
            TimelineEntry(10 * MILLISECOND, "destroy", "gone"),
        ),
        pcpus=2,
        duration=80 * MILLISECOND,
        backend=backend,
    )
    assert_sound(run)
    assert 10 * MILLISECOND <= first_run(run, "soon") < 10 * MILLISECOND + ON_TIME, said(run)
    assert not len(run.select("run_in", "never")) and not len(run.select("run_in", "gone")), said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_steered_machine_keeps_its_starts(backend: str) -> None:
    machine = Machine(
        guests=(workload("compute", name="early"), workload("compute", name="late", start=LATE)),
        sched=Policy("credit"),
        pcpus=2,
        duration=80 * MILLISECOND,
    )
    with machine.start(backend=backend) as live:
        live.run_until(LATE // 2)
        live.run_until(LATE + 5 * MILLISECOND)
        run = live.finish()
    assert LATE <= first_run(run, "late") < LATE + ON_TIME, said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_affinity_holds_from_the_first_instant(backend: str) -> None:
    run = boot(
        workload("cpu_hog", name="one", affinity=(1,)),
        workload("cpu_hog", name="two", affinity=(1, 2)),
        workload("cpu_hog", name="free"),
        pcpus=4,
        duration=80 * MILLISECOND,
        backend=backend,
    )
    assert_sound(run)
    used = {name: set(run.select("run_in", name)["pcpu"]) for name in ("one", "two")}
    assert used["one"] == {1} and used["two"] <= {1, 2}, said(run)


def test_a_restarted_guest_keeps_its_affinity() -> None:
    run = boot(
        workload("die_first", name="die", affinity=(1,), on_crash="restart"),
        workload("cpu_hog", name="hog", affinity=(0,)),
        pcpus=2,
        duration=100 * MILLISECOND,
    )
    lives = [name for name in run.landmark.ledger if name.startswith("die")]
    assert len(lives) >= 3, said(run)
    assert {int(pcpu) for life in lives for pcpu in run.select("run_in", life)["pcpu"]} == {1}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_phase_shifts_the_releases_of_a_periodic_task(backend: str) -> None:
    def phases(phase: int) -> set[int]:
        task = workload("periodic", f"period_us={PERIOD // 1000} work_us=20", phase=phase)
        run = boot(task, duration=60 * MILLISECOND, backend=backend)
        deadlines = run.select("mark", "periodic", MARKS["deadline"])
        return {int(deadline) % PERIOD for deadline in deadlines["b"]}

    assert phases(0) == {0}
    assert phases(123_456) == {123_456}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_phase_shifts_the_requests_of_a_pinger(backend: str) -> None:
    run = boot(
        workload("pinger", f"peer=responder period_us={PERIOD // 1000}", phase=7_777),
        workload("responder", "peer=pinger"),
        duration=60 * MILLISECOND,
        backend=backend,
    )
    deadlines = run.select("mark", "pinger", MARKS["deadline"])["b"]
    assert len(deadlines) and {int(deadline) % PERIOD for deadline in deadlines} == {7_777}, said(run)
