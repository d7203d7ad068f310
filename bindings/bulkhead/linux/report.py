"""Reports of Linux guests: `RESULT name=NAME key=value...` lines of their consoles. The text is untrusted."""

from __future__ import annotations

import re

LINE = re.compile(r"RESULT name=([A-Za-z0-9_-]+)((?: [A-Za-z0-9_]+=\S*)*)\s*$")


def results(console: str, name: str) -> list[dict[str, str]]:
    """Keys and values of every line of that name, in order. A line of the kernel may stand in front of one."""
    found = []
    for line in console.splitlines():
        match = LINE.search(line)
        if match is not None and match[1] == name:
            found.append(dict(word.split("=", 1) for word in match[2].split()))
    return found


def status(console: str, job: str) -> int | None:
    """How a job ended, 0 for success; None if it did not end."""
    ends = [row["status"] for row in results(console, job) if row.keys() == {"status"}]
    return int(ends[-1]) if ends and ends[-1].isdigit() else None
