"""A guest that floods the trace voids no run: the machine stands still while full rings are drained."""

from __future__ import annotations

import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import Guest, Run
from bulkhead.backend.qemu import booted, prepare
from bulkhead.base.errors import BulkheadError
from bulkhead.base.schema import MARKS
from bulkhead.experiment import normalise

SMALL = 8 * 1024  # of a ring: 256 records
STEP = 100  # sends of the storm between two of its marks


def flood(pcpus: int) -> Run:
    storms: list[Guest] = [
        workload("event_storm", f"mark_events={STEP}", name=f"storm{i}") for i in range(pcpus)
    ]
    return boot(*storms, trace_bytes=SMALL, pcpus=pcpus, duration=30 * MILLISECOND)


@pytest.mark.parametrize("pcpus", [1, 2])
def test_no_record_of_a_flood_is_lost(pcpus: int) -> None:
    run = flood(pcpus)
    assert_sound(run)
    assert sum(run.landmark.trace_written) == len(run.trace)
    assert run.landmark.drains > 4 * pcpus
    for name in (guest.name for guest in run.machine.guests):
        marks = run.select("mark", name, MARKS["operations"])["b"]
        assert list(marks) == list(range(STEP, STEP * len(marks) + 1, STEP)), said(run)


@pytest.mark.parametrize("pcpus", [1, 2])
def test_a_drained_run_repeats_bit_for_bit(pcpus: int) -> None:
    first, second = flood(pcpus), flood(pcpus)
    assert first.landmark.trace_written == second.landmark.trace_written
    assert first.trace_sha256 == second.trace_sha256


def test_without_a_drain_losses_are_counted_per_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (prepare, booted):  # as under KVM, but at the same instants in every run
        monkeypatch.setattr(module, "can_drain", lambda machine, accel: False)
    run = flood(1)
    lost = {name: row.trace_lost for name, row in run.landmark.ledger.items()}
    assert lost["storm0"] > 0.9 * sum(run.landmark.trace_lost) > 1_000, lost
    assert run.incomplete
    with pytest.raises(BulkheadError, match="did not fit"):
        normalise.require_whole(run, "flood")
