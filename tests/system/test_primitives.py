"""Each service of the hypervisor stays below its bound: instructions, counted by the clock, so exact."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from bulkhead.cli.bench_primitives import ours
from bulkhead.model.spec import ABIS, NARROW, WIDE

# Instructions by row, 2 % above what was measured. A row that became faster gets a new bound.
FILES = {WIDE: "primitive_bounds.json", NARROW: "primitive_bounds_pv32.json"}
RINGS = Path(__file__).resolve().parents[2] / "docs" / "rings.md"
WRITTEN = re.compile(r"^\|[^|]*\| `(\w+)` \| ([\d,]+) \| ([\d,]*) \|", re.MULTILINE)
MOST = 1.3  # times what a 64-bit guest pays


@cache
def measured(abi: str) -> dict[str, int]:
    """Instructions by row."""
    return ours(abi)


@pytest.mark.parametrize("abi", ABIS)
def test_no_primitive_is_slower_than_its_bound(abi: str) -> None:
    bounds: dict[str, int] = json.loads(Path(__file__).with_name(FILES[abi]).read_text("utf-8"))
    found = measured(abi)
    assert set(found) == set(bounds)
    slow = [
        f"{row}: {cost} instructions, the bound is {bounds[row]}"
        for row, cost in found.items()
        if cost > bounds[row]
    ]
    assert not slow, "\n".join(slow)


def test_ring_1_costs_little_more_than_ring_3() -> None:
    """A hypercall and a system call by INT. A 64-bit hypercall is a SYSCALL, which is the faster way in."""
    for row in ("null_call", "system_call_int"):
        assert measured(NARROW)[row] <= MOST * measured(WIDE)[row], row


def test_the_page_about_rings_has_numbers_of_this_hypervisor() -> None:
    rows = WRITTEN.findall(RINGS.read_text("utf-8"))
    assert len(rows) >= 10
    for row, *numbers in rows:
        for abi, text in zip((WIDE, NARROW), numbers, strict=True):
            assert (text != "") == (row in measured(abi)), row
            if text:
                assert int(text.replace(",", "")) == pytest.approx(measured(abi)[row], rel=0.02), (row, abi)
