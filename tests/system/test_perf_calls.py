"""`perf calls` says where the instructions of a hypercall are."""

from __future__ import annotations

from bulkhead.cli.bench_primitives import ours
from bulkhead.cli.perf_calls import MEASURED, by_row, table


def test_the_instructions_of_a_null_call_are_found() -> None:
    row = by_row("calls")["null_call"]
    assert row.entries == MEASURED
    assert row.functions["syscall_entry"] > 0 and row.functions["perform_hypercall<XenVersion>"] > 0
    here = row.instructions / MEASURED
    seen = ours()["null_call"]  # by the guest, whose own instructions around the call count too
    assert 0.7 * seen < here < seen
    assert f"{here:,.0f} instructions of the hypervisor in 1.0 entries" in table("null_call", row)
