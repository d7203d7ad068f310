"""Machines as people write them in Python, and a run as it is printed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bulkhead import Guest, Machine, Policy, SpecError, TimelineEntry
from bulkhead.base.units import MIB

MS = 1_000_000


def hogs(count: int) -> list[Guest]:
    return [Guest(f"hog{i}", "workload:cpu_hog", memory="4M", affinity=[0]) for i in range(count)]  # type: ignore[arg-type]


def test_text_and_lists_become_what_the_fields_say() -> None:
    machine = Machine(
        guests=hogs(2),  # type: ignore[arg-type]
        sched="credit:round=5000",  # type: ignore[arg-type]
        memory="256M",  # type: ignore[arg-type]
        duration="20ms",  # type: ignore[arg-type]
        timeline=[TimelineEntry("5ms", "set_weight", "hog0", 512)],  # type: ignore[arg-type]
        trace_groups=["run", "sched"],  # type: ignore[arg-type]
    )
    plain = Machine(
        guests=tuple(Guest(f"hog{i}", "workload:cpu_hog", memory=4 * MIB, affinity=(0,)) for i in range(2)),
        sched=Policy("credit", {"round": 5000}),
        memory=256 * MIB,
        duration=20 * MS,
        timeline=(TimelineEntry(5 * MS, "set_weight", "hog0", 512),),
        trace_groups=("run", "sched"),
    )
    assert machine == plain
    assert machine.run(backend="sim").trace_sha256 == plain.run(backend="sim").trace_sha256
    assert replace(machine, duration="1s").duration == 1000 * MS  # type: ignore[arg-type]
    assert Machine(guests=(), sched="python:mine").sched == Policy("python:mine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"duration": "soon"}, "duration: 'soon' is not a duration"),
        ({"memory": "64"}, "memory: '64' is not a size"),
        ({"sched": "credit:round"}, "'round' is not NAME=VALUE"),
        ({"sched": "credit:round=x"}, "policy credit: round: 'x' is not a whole number"),
        ({"guests": "hog"}, "guests='hog' is not a tuple of Guest"),
    ],
)
def test_what_cannot_be_is_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Machine(**{"guests": (), **change}).run(backend="sim")  # type: ignore[arg-type]


def test_a_printed_run_is_at_most_ten_lines() -> None:
    run = Machine(guests=tuple(hogs(12)), duration=20 * MS).run(backend="sim")
    lines = str(run).splitlines()
    assert len(lines) == 10 and lines == repr(run).splitlines()
    assert lines[0].startswith("time over after ") and lines[-3] == "   7 domains more"
    assert f"{len(run.trace)} trace records, SHA-256 {run.trace_sha256[:12]}" in lines[-1]
    few = str(Machine(guests=tuple(hogs(1)), duration=20 * MS).run(backend="sim")).splitlines()
    assert len(few) == 5 and few[1].startswith("   dom0 ") and few[2].startswith("   hog0 ")
    lossy = replace(run, landmark=replace(run.landmark, trace_lost=(5,)))
    assert "records, 5 lost, SHA-256" in str(lossy)
