"""The same machine gives the same trace, to the last bit, whatever else this computer is doing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from machines import MILLISECOND, assert_sound, grub, scheduler, workload

from bulkhead import Machine, Run

MACHINE = Machine(
    guests=(
        workload("pinger", "peer=responder period_us=1000"),
        workload("responder", "peer=pinger"),
        workload("cpu_hog"),
        grub(),
    ),
    sched=scheduler(),
    duration=400 * MILLISECOND,
)


@pytest.fixture(scope="module")
def reference() -> Run:
    """The first run."""
    run = MACHINE.run()
    assert len(run.trace) > 1000 and run.reproducible
    assert_sound(run)
    return run


@pytest.fixture()
def busy_cores() -> Iterator[None]:
    """Something else on every core."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def test_twice_the_same(reference: Run) -> None:
    again = MACHINE.run()
    assert again.trace_sha256 == reference.trace_sha256
    assert again.consoles == reference.consoles
    assert again.landmark == reference.landmark


def test_the_same_on_busy_cores(reference: Run, busy_cores: None) -> None:
    assert MACHINE.run().trace_sha256 == reference.trace_sha256


def test_another_run_has_another_hash(reference: Run) -> None:
    """Guards the two tests above: a hash over nothing would always agree."""
    from dataclasses import replace

    assert replace(MACHINE, duration=MACHINE.duration // 2).run().trace_sha256 != reference.trace_sha256
