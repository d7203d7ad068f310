"""A processor of the host for each QEMU that counts instructions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bulkhead.backend.qemu import processor
from bulkhead.backend.qemu.process import Process

# Numbers that no machine has, so that QEMUs of other tests claim none of them.
FIRST = 1_000_000 + os.getpid()


def _usable(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(numbers))


def test_no_two_get_the_same_and_a_closed_one_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    _usable(monkeypatch, FIRST, FIRST + 1)
    first, second = processor.claim(), processor.claim()
    assert first is not None and second is not None
    assert {first.number, second.number} == {FIRST, FIRST + 1}
    assert processor.claim() is None
    first.close()
    again = processor.claim()
    assert again is not None and again.number == first.number
    again.close()
    second.close()


def test_a_machine_of_one_processor_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _usable(monkeypatch, FIRST)
    assert processor.claim() is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one processor")
@pytest.mark.parametrize("counted", [True, False])
def test_one_that_counts_instructions_stays_on_its_own(
    counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = os.sched_getaffinity(0)
    mine = max(usable)

    class Free(processor.Processor):
        def close(self) -> None:
            closed.append(self.number)

    closed: list[int] = []
    monkeypatch.setattr(processor, "claim", lambda: Free(mine, None))  # type: ignore[arg-type]
    words = ["sh", "-c", "sleep 1000", *(["-icount"] if counted else [])]
    process = Process(words, (), tmp_path / "log")
    try:
        assert os.sched_getaffinity(process._process.pid) == ({mine} if counted else usable)
    finally:
        process.stop()
    assert closed == ([mine] if counted else [])
