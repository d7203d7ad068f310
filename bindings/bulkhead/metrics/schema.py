"""Reads the numbers behind names out of the headers that declare them, so that Python repeats none of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from bulkhead.metrics.trace import Schema, TraceError

ROOT = Path(__file__).resolve().parents[3]


def enum_values(header: Path, name: str) -> dict[str, int]:
    """Names and numbers of `enum class name` in a C++ header whose numbers are plain integers or left out."""
    text = re.sub(r"//[^\n]*", "", header.read_text(encoding="utf-8"))
    found = re.search(rf"enum\s+class\s+{name}\b[^{{;]*{{([^}}]*)}}", text)
    if not found:
        raise TraceError(f"{header.name} declares no enum class {name}")
    values: dict[str, int] = {}
    following = 0
    for entry in filter(None, (part.strip() for part in found.group(1).split(","))):
        label, _, number = (part.strip() for part in entry.partition("="))
        following = int(number, 0) if number else following
        values[label] = following
        following += 1
    return values


@cache
def built_schema() -> Schema:
    """Events of the trace and the stop reasons after which a vCPU is still runnable."""
    stops = enum_values(ROOT / "sched" / "contract.hpp", "Stop")
    still = frozenset(number for number in stops.values() if number <= stops["preempted"])
    return Schema(enum_values(ROOT / "abi" / "trace.hpp", "Event"), still)


@cache
def mark_codes() -> dict[str, int]:
    """Codes of the marks that the guest runtime and the workloads leave."""
    return enum_values(ROOT / "guest" / "runtime" / "mark.hpp", "Mark")
