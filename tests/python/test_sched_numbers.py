"""The table of start latencies in sched/README.md is that of the reference result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("credit", "credit2", "bvt")  # the first ones of the table
CORUNNERS = {
    "none": "none",
    "1 hog": "1 hog",
    "2 hogs": "2",
    "4 hogs": "4",
    "8 hogs": "8",
    "a yield storm": "yield",
    "a timer storm": "timer",
    "an event storm": "event",
    "a tick dodger": "dodge",
    "a fault loop": "fault",
    "random hypercalls": "junk",
}


@pytest.fixture(scope="module")
def starts() -> dict[tuple[str, str], dict[str, int]]:
    result = json.loads((ROOT / "results" / "wake_latency.json").read_text(encoding="utf-8"))
    periodic = [point for point in result["points"] if point["levels"]["victim"] == "periodic"]
    return {
        (point["levels"]["sched"], point["levels"]["corunners"]): point["metrics"]["start"]
        for point in periodic
    }


@pytest.mark.parametrize("row", CORUNNERS)
def test_a_row_has_the_numbers_of_the_result(row: str, starts: dict[tuple[str, str], dict[str, int]]) -> None:
    text = (ROOT / "sched" / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| {re.escape(row)} \|(.*)$", text, re.MULTILINE)
    assert found is not None
    said = [cell.strip() for cell in found.group(1).split("|")][: len(COLUMNS)]
    measured = [starts[policy, CORUNNERS[row]] for policy in COLUMNS]
    expected = [" / ".join(f"{start[k] / 1000:,.1f}" for k in ("p50", "p99", "max")) for start in measured]
    assert said == expected
