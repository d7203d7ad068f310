"""A block request and a packet stay below their bounds: instructions, counted by the clock, so exact."""

from __future__ import annotations

import json
from pathlib import Path

from bulkhead.cli.bench_rings import Row, block_row, ours

# Instructions by row, copying apart, 2 % above what was measured. A row that became faster gets a new bound.
BOUNDS: dict[str, int] = json.loads(Path(__file__).with_name("ring_bounds.json").read_text("utf-8"))
LARGEST = 2_500  # of a block request at a depth of 8, where the drive is not what the guest waits for
UNBILLED = 0.02  # of what is billed


def excess(rows: dict[str, Row]) -> list[str]:
    return [
        f"{name}: {row.cost:.0f} instructions, the bound is {BOUNDS[name]}"
        for name, row in rows.items()
        if row.cost > BOUNDS[name]
    ]


def test_no_request_costs_more_than_its_bound() -> None:
    rows = ours("fifo")
    assert set(rows) == set(BOUNDS)
    assert not excess(rows), "\n".join(excess(rows))
    assert rows["block_depth_8_fast"].cost <= LARGEST
    for row in rows.values():
        assert row.cost > 0 and row.unbilled <= UNBILLED * row.billed


def test_a_policy_with_accounts_costs_little_more() -> None:
    plain, fair = (block_row(8, policy, True).cost for policy in ("fifo", "mclock"))
    assert plain < fair < 1.5 * plain
