"""What `check` asks of a trace fails on a trace that breaks it, also where all is well again later."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.testing.check import memory, ring
from bulkhead.testing.check import sanitized as sanitizers

ROW = np.dtype([("time", "u8"), ("domain", "u4"), ("a", "u8")])
MS = 1_000_000


def run_of(end: int, **events: list[tuple[int, int, int]]) -> Any:
    """A run with these events, each of (time, domain, a)."""
    records = {name: np.array(rows, ROW) for name, rows in events.items()}
    return SimpleNamespace(
        select=lambda name: records.get(name, np.array([], ROW)), trace=np.array([(end, 0, 0)], ROW)
    )


@pytest.fixture
def hundred_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_frames", lambda run: 100)


@pytest.mark.usefixtures("hundred_frames")
def test_a_promise_of_too_much_is_found_in_the_middle_of_a_run() -> None:
    run = run_of(90, memory_target=[(10, 1, 40), (20, 2, 70), (30, 1, 20)])
    assert memory._fits(run) == "targets of 110 frames of 100 at 20 ns"


@pytest.mark.usefixtures("hundred_frames")
def test_targets_of_domains_that_are_gone_do_not_count() -> None:
    gone = [(20, 1, 0), (20, 2, 0)]
    run = run_of(90, memory_target=[(10, 1, 50), (10, 2, 50), (20, 3, 100)], domain_destroy=gone)
    assert memory._fits(run) is None


def test_a_device_that_rests_beside_a_request_until_the_end_is_found() -> None:
    run = run_of(200 * MS, ring_submit=[(100 * MS, 1, 0)])
    assert ring._busy(run) is not None
    served = {"ring_request": [(100 * MS, 1, 0)], "ring_complete": [(101 * MS, 1, 0)]}
    assert ring._busy(run_of(200 * MS, ring_submit=[(100 * MS, 1, 0)], **served)) is None


@pytest.mark.parametrize(
    ("listed", "holds", "detail"),
    [
        (
            subprocess.CompletedProcess([], 1, "ERROR: AddressSanitizer: SEGV on it"),
            False,
            "cannot be loaded",
        ),
        (subprocess.CompletedProcess([], 0, ""), None, "0 of 0 properties"),
        (None, False, "no end within"),
    ],
)
def test_a_policy_without_properties_has_not_passed_them(
    listed: subprocess.CompletedProcess[str] | None,
    holds: bool | None,
    detail: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def call(words: list[str], *more: str) -> subprocess.CompletedProcess[str]:
        if listed is None:
            raise subprocess.TimeoutExpired(words, 1)
        return listed

    monkeypatch.setattr(sanitizers, "_call", call)
    monkeypatch.setattr(sanitizers, "_built", lambda table, source: source)
    monkeypatch.setattr(sanitizers, "build", lambda preset, targets: None)
    (verdict,) = sanitizers.sanitized(choose("scheduler", Policy("round_robin")))
    assert verdict.promise == sanitizers.CLEAN and verdict.holds is holds and detail in verdict.detail
