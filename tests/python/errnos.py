"""The rows of the guest tests' errno tables (tests/guest/errno_*.cpp), as docs/errno.md has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "guest"
STRING = r'"((?:[^"\\]|\\.)*)"'
ROW = re.compile(
    r"\{\s*" + STRING + r",\s*" + STRING + r",\s*BULKHEAD_(FAILS|STATUS|WORKS)(?:\((\w+)\))?,\s*\[\]"
)


def rows(source: Path) -> Iterator[str]:
    """The lines of the table of one group of calls."""
    for call, when, kind, name in ROW.findall(source.read_text()):
        answer = {"FAILS": name, "STATUS": f"GNTST_{name}", "WORKS": "0"}[kind]
        yield f"| `{call}` | {when} | {answer} |"


def tables() -> dict[str, list[str]]:
    """All groups: memory, grants, events, vcpus."""
    return {
        path.stem.removeprefix("errno_"): list(rows(path)) for path in sorted(SOURCES.glob("errno_*.cpp"))
    }
