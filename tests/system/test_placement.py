"""Affinities of single vCPUs, preferred pCPUs, and sets of guests that start at one instant, in both worlds."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, share, workload

from bulkhead import Guest, Placement, Policy, Run

START = 20 * MILLISECOND
SETTLED = 8 * MILLISECOND


def used(run: Run, name: str, vcpu: int = 0) -> set[int]:
    """The pCPUs on which a vCPU ran."""
    records = run.select("run_in", name)
    return {int(pcpu) for pcpu in records["pcpu"][records["vcpu"] == vcpu]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_vcpu_has_its_own_affinity(backend: str) -> None:
    places = (Placement(0, affinity=(2,)), Placement(1, affinity=(0, 1)))
    guest = workload("cpu_hog", "all_vcpus=1", vcpus=3, affinity=(3,), placements=places)
    run = boot(guest, pcpus=4, duration=60 * MILLISECOND, backend=backend)
    assert_sound(run)
    assert used(run, "cpu_hog", 0) == {2} and used(run, "cpu_hog", 2) == {3}, said(run)
    assert used(run, "cpu_hog", 1) and used(run, "cpu_hog", 1) <= {0, 1}, said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_idle_pcpu_that_is_preferred_is_used_first(backend: str) -> None:
    def where(preferred: tuple[int, ...] | None) -> set[int]:
        task = workload("periodic", "period_us=2000 work_us=200", preferred=preferred)
        run = boot(task, pcpus=4, duration=60 * MILLISECOND, backend=backend)
        assert_sound(run)
        records = run.select("run_in", "periodic")
        records = records[
            records["time"] > run.landmark.started + SETTLED
        ]  # before, domain 0 comes in between
        return {int(pcpu) for pcpu in records["pcpu"]}

    assert where((3,)) == {3} and where((2,)) == {2} and where(None) != {3}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_preference_never_costs_time(backend: str) -> None:
    """The preferred pCPU is taken: the other one serves, and both guests have a pCPU."""
    run = boot(
        workload("cpu_hog", name="owner", affinity=(1,)),
        workload("cpu_hog", name="visitor", preferred=(1,)),
        pcpus=2,
        backend=backend,
    )
    assert_sound(run)
    assert share(run, "owner") > 0.48 and share(run, "visitor") > 0.48, said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_that_honours_preferences_uses_no_other_pcpu(backend: str) -> None:
    guests = [workload("cpu_hog", name=f"hog{i}", preferred=(1,)) for i in range(2)]
    run = boot(*guests, pcpus=2, sched=Policy("pinned"), duration=100 * MILLISECOND, backend=backend)
    assert_sound(run)
    assert used(run, "hog0") == used(run, "hog1") == {1} and not run.warnings, said(run)


def test_a_policy_that_does_not_is_named_in_the_result() -> None:
    run = boot(workload("cpu_hog", preferred=(0,)), duration=5 * MILLISECOND, backend="sim")
    assert run.warnings == (
        "credit ignores preferred pCPUs, but preferred pCPUs are set for cpu_hog; choose another scheduler",
    )


def guests_of_a_set(release: str | None, start: int) -> list[Guest]:
    return [workload("cpu_hog", name=f"task{i}", release=release, start=start) for i in range(3)]


def together(run: Run) -> bool:
    """Whether no guest of the set ran before all of them might."""
    names = [guest.name for guest in run.machine.guests]
    allowed = max(int(run.select("domain_unpause", name)["time"][0]) for name in names)
    return all(int(run.select("run_in", name)["time"][0]) >= allowed for name in names)


@pytest.mark.parametrize("start", [0, START])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_set_of_guests_starts_at_one_instant(backend: str, start: int) -> None:
    def released(release: str | None) -> Run:
        run = boot(
            *guests_of_a_set(release, start),
            pcpus=4,
            duration=40 * MILLISECOND,
            trace_bytes=1 << 20,
            backend=backend,
        )
        assert_sound(run)
        return run

    run = released("tasks")
    assert together(run), said(run)
    first = [int(run.select("run_in", f"task{i}")["time"][0]) - run.landmark.started for i in range(3)]
    assert start <= min(first) and max(first) - min(first) < MILLISECOND // 20, said(run)
    if backend == "qemu" and start:
        assert not together(released(None)), "what the set is for"


@pytest.mark.parametrize("sched", ("credit", "round_robin", None))
@pytest.mark.parametrize("backend", BACKENDS)
def test_domain_0_keeps_off_the_pcpus_that_it_may_not_use(backend: str, sched: str | None) -> None:
    guests = [workload("cpu_hog", name=f"hog{i}") for i in range(2)]
    policy = Policy(sched) if sched is not None else None
    run = boot(
        *guests, sched=policy, pcpus=2, dom0_affinity=(1,), backend=backend, duration=100 * MILLISECOND
    )
    assert used(run, "dom0") == {1}, said(run)
    assert all(report.ejected is None for report in run.landmark.policies), said(run)
