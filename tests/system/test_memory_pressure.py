"""A guest's own stalls reach the memory policy and move memory, on both back ends."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Paging, Policy
from bulkhead.base.schema import MARKS
from bulkhead.metrics.trace import int64

LIMIT, NEED = 40 * MIB, 30  # MiB
FRAMES_PER_MIB = 256


@pytest.mark.parametrize("backend", BACKENDS)
def test_stalls_move_idle_memory_to_the_guest_that_has_them(backend: str) -> None:
    first = {"memory": 4 * MIB, "max_memory": LIMIT}
    run = boot(
        workload("memory_hoard", name="hoarder", **first),
        workload("memory", f"set_mib={NEED - 4} work_us=20 swap_us=200", name="victim", **first),
        backend=backend,
        memctl=Policy("pressure", {"interval": 20}),
        paging=Paging(period_us=20_000, swap_us=200),
        memory=112 * MIB,
        dom0_memory=32 * MIB,
        trace_bytes=8 * MIB,
        duration=1_200 * MILLISECOND,
    )
    assert_sound(run)
    marks = run.select("mark", "victim")
    waits = marks[marks["a"] == MARKS["page_fault"]]["b"].sum()
    notes = run.select("policy_note")
    assert set(int64(notes["a"])) == {run.domain_id("victim")}, said(run)
    assert 0.8 * waits < notes["b"].sum() <= waits, said(run)
    targets = {name: run.select("memory_target", name)["a"] for name in ("hoarder", "victim")}
    assert targets["victim"][0] < 16 * FRAMES_PER_MIB < 25 * FRAMES_PER_MIB < targets["victim"][-1], said(run)
    assert targets["hoarder"][-1] < 30 * FRAMES_PER_MIB < targets["hoarder"][0], said(run)
    print(
        f"{backend}: {len(notes)} intervals with stalls, {waits / 1e6:.0f} ms waited, {targets['victim'][-1] / 256:.1f} MiB"
    )
