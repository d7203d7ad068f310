"""Each service of the hypervisor stays below its bound: instructions, counted by the clock, so exact."""

from __future__ import annotations

import json
from pathlib import Path

from bulkhead.cli.bench_primitives import ours

# Instructions by row, 2 % above what was measured. A row that became faster gets a new bound.
BOUNDS: dict[str, int] = json.loads(Path(__file__).with_name("primitive_bounds.json").read_text("utf-8"))


def test_no_primitive_is_slower_than_its_bound() -> None:
    found = ours()
    assert set(found) == set(BOUNDS)
    slow = [
        f"{row}: {cost} instructions, the bound is {BOUNDS[row]}"
        for row, cost in found.items()
        if cost > BOUNDS[row]
    ]
    assert not slow, "\n".join(slow)
