"""A run in the JSON format of Chrome's trace viewer, which Perfetto and Speedscope read as well. Times are microseconds.

The format: "Trace Event Format", Google, 2016. A group of tracks is a process, a track a thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bulkhead.study.tracks import COUNTERS, Tracks

FLOW = "wake to run"


def write_chrome(tracks: Tracks, path: Path) -> None:
    """One event a line, so that the file can be searched with a pager."""
    lines = (json.dumps(event, separators=(",", ":")) for event in _events(tracks))
    path.write_text(
        '{"displayTimeUnit":"ns","traceEvents":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8"
    )


def _events(tracks: Tracks) -> Iterator[dict[str, Any]]:
    place: dict[str, dict[str, Any]] = {}
    for process, (group, names) in enumerate(tracks.groups.items(), 1):
        yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": group}}
        yield {"ph": "M", "pid": process, "name": "process_sort_index", "args": {"sort_index": process}}
        for thread, name in enumerate(names, 1):
            place[name] = {"pid": process, "tid": thread}
            yield {"ph": "M", **place[name], "name": "thread_name", "args": {"name": name}}
    for one in tracks.slices:
        yield {
            "ph": "X",
            "name": one.name,
            **place[one.track],
            "ts": one.start / 1e3,
            "dur": (one.end - one.start) / 1e3,
        }
        if one.flow:
            yield {
                "ph": "f",
                "bp": "e",
                "name": FLOW,
                "cat": FLOW,
                "id": one.flow,
                **place[one.track],
                "ts": one.start / 1e3,
            }
    for instant in tracks.instants:
        if instant.track not in place:
            continue
        at = {**place[instant.track], "ts": instant.time / 1e3}
        yield {"ph": "i", "s": "t", "name": instant.name, **at}
        if instant.flow:
            yield {"ph": "s", "name": FLOW, "cat": FLOW, "id": instant.flow, **at}
    for count in tracks.counts:
        counter = {"ph": "C", "pid": len(tracks.groups) + 1, "name": count.track}
        yield {**counter, "ts": count.time / 1e3, "args": {"vCPUs": count.value}}
    yield {"ph": "M", "pid": len(tracks.groups) + 1, "name": "process_name", "args": {"name": COUNTERS}}
