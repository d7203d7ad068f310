"""`explain` follows waits for disks and for memory, with the numbers of the trace."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from bulkhead import Guest, GuestDisk, Machine, Policy, TimelineEntry
from bulkhead.backend.sim import simulate
from bulkhead.base.text import format_ns
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.metrics import Window, runnable_intervals, trace_of
from bulkhead.metrics.requests import Request, requests, served_during
from bulkhead.metrics.trace import Trace
from bulkhead.model import storage
from bulkhead.model.run import Run

MS = 1_000_000


def lines(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert main(["explain", *(str(word) for word in words)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture(scope="module")
def rings() -> Run:
    disks = (GuestDisk(4 * MIB),)
    victim = Guest("victim", "workload:disk", "depth=2", memory=8 * MIB, disks=disks, ringctl={"limit": 400})
    flood = Guest("flood", "workload:disk_flood", memory=8 * MIB, disks=disks)
    return simulate(
        Machine(guests=(victim, flood), ringctl=Policy("mclock"), duration=200 * MS, end_when_idle=False)
    )


@pytest.fixture(scope="module")
def rings_folder(rings: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rings")
    storage.save(rings, path)
    return path


def test_requests_are_paired_with_what_became_of_them(rings: Run) -> None:
    found = requests(trace_of(rings))
    done = [one for one in found if one.done is not None]
    assert len(done) == len(rings.select("ring_complete")) > 100
    for one in done:
        assert one.taken is not None and one.done is not None
        assert one.queued <= one.taken <= one.done and 0 < one.worked <= one.done - one.taken
    assert sum(one.worked for one in done) == int(rings.select("ring_complete")["b"].sum())
    whole = served_during(found, "disk", trace_of(rings).whole)
    assert sum(row.requests for row in whole) == len(done)


def test_a_number_that_returns_is_another_request(rings: Run) -> None:
    """After a guest has connected again its numbers begin anew; what was queued before the trace began is nobody's."""
    events = [("ring_complete", 9), ("ring_submit", 10), ("ring_submit", 12), ("ring_request", 20)]
    events += [("ring_complete", 30), ("ring_request", 40)]
    records = np.zeros(len(events), dtype=rings.trace.dtype)
    schema = trace_of(rings).schema
    for record, (event, time) in zip(records, events, strict=True):
        record["event"], record["time"], record["domain"], record["a"] = schema.events[event], time, 1, 7
    first, second = requests(Trace(records, schema))
    assert (first.queued, first.taken, first.done) == (10, 20, 30)
    assert (second.queued, second.taken, second.done) == (12, 40, None)
    assert first.outstanding(29) and not first.outstanding(30) and not first.outstanding(9)
    assert second.outstanding(1_000)


def test_a_request_is_of_the_drive_or_of_one_direction_of_the_switch() -> None:
    rings_of = {"disk": 5, "send": 1 << 31, "receive": 1 << 31 | 1}
    assert all(Request(1, ring, 0, 0, 0).device == device for device, ring in rings_of.items())


def test_the_request_that_took_longest(
    rings: Run, rings_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = lines(capsys, rings_folder, "--requests", "victim", "--longest")
    number = rings.domain_id("victim")
    own = [one for one in requests(trace_of(rings)) if one.domain == number and one.done is not None]
    worst = max(own, key=lambda one: (one.done or 0) - one.queued)
    assert worst.done is not None and worst.taken is not None
    assert said[0].startswith(f"victim's request {worst.number} of ring {worst.ring}, 4,096 bytes, took ")
    assert format_ns(worst.done - worst.queued) in said[0]
    assert f"in the queue for {format_ns(worst.taken - worst.queued)}" in said[1]
    assert said[2] == "In charge was the policy mclock." and "victim has weight 256, limit=400." in said
    rows = {
        line.split()[0]: int(line.split()[1])
        for line in said
        if re.match(r"  (victim|flood) +\d+ requests", line)
    }
    window = Window(worst.queued, worst.done)
    names = {number: "victim", rings.domain_id("flood"): "flood"}
    expected = served_during(requests(trace_of(rings)), "disk", window)
    assert rows == {names[row.domain]: row.requests for row in expected} and rows["flood"] > 0


def test_a_vcpu_that_sleeps_for_its_disk_says_so(
    rings: Run, rings_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = rings.domain_id("victim")
    wanted = runnable_intervals(trace_of(rings)).of_domain(number)
    asleep = (wanted.end[:-1] + wanted.start[1:]) // 2
    at, one = next(
        (int(time), one)
        for time in asleep
        for one in requests(trace_of(rings))
        if one.domain == number and one.outstanding(int(time)) and (one.taken or time + 1) > time
    )
    at -= rings.landmark.started
    said = lines(capsys, rings_folder, "--vcpu", "victim", "--at", f"{at}ns")
    assert re.search(r"waited for [12] requests then: --requests victim", said[-1])
    said = lines(capsys, rings_folder, "--requests", "victim", "--at", f"{at}ns")
    assert any(
        f"request {one.number} of ring {one.ring}" in line and "in the queue since" in line for line in said
    )


def test_a_guest_that_wants_more_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guests = tuple(
        Guest(name, "workload:memory", memory=8 * MIB, max_memory=64 * MIB, weight=weight)
        for name, weight in (("rich", 512), ("poor", 256))
    )
    run = simulate(
        Machine(
            guests=guests,
            memctl=Policy("proportional_share"),
            memory=160 * MIB,
            duration=500 * MS,
            end_when_idle=False,
        )
    )
    storage.save(run, tmp_path)
    targets = run.select("memory_target")
    last = targets[targets["domain"] == run.domain_id("poor")][-1]
    at = int(run.trace["time"][-1]) - run.landmark.started
    said = lines(capsys, tmp_path, "--memory", "poor", "--at", f"{at}ns")
    assert f"of the {int(last['a']) * 4096 / MIB:.2f} MiB that it might have since" in said[0]
    assert said[1] == "In charge was the policy proportional_share."
    assert any(line.startswith("poor has 8 MiB at its start, weight 256") for line in said)
    assert any(line.startswith("  rich had ") for line in said)
    grants = run.select("memory_grant")
    asked = int((grants["domain"] == run.domain_id("poor")).sum())
    assert any(line.startswith(f"It asked {asked} times, for ") for line in said) and asked > 0
    assert any("ms: it may have" in line for line in said)


def test_a_guest_whose_time_is_withheld(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is there first and ignores its target, which falls when a reservation comes."""
    sizes = {"memory": 8 * MIB, "max_memory": 64 * MIB}
    run = simulate(
        Machine(
            guests=(
                Guest("keeper", "workload:memory_hoard", "stubborn=1", **sizes),
                Guest("comes", "workload:memory", memctl={"min": 60}, **sizes),
            ),
            absent=("comes",),
            timeline=(TimelineEntry(200 * MS, "create", "comes"),),
            memctl=Policy("min_max", {"patience": 50}),
            memory=160 * MIB,
            duration=500 * MS,
            end_when_idle=False,
        )
    )
    storage.save(run, tmp_path)
    at = int(run.trace["time"][-1]) - run.landmark.started
    said = lines(capsys, tmp_path, "--memory", "keeper", "--at", f"{at}ns")
    has = run.landmark.ledger["keeper"].frames_owned * 4096 / MIB
    assert said[-1].endswith(f"75 % of its time are withheld, as it keeps {has:.2f} MiB")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--requests", "victum", "--longest"), "the run has no domain 'victum'; did you mean 'victim'"),
        (("--requests", "victim"), "write --at 123.4ms for an instant, or --longest"),
        (
            ("--requests", "victim", "--memory", "victim", "--longest"),
            "write one of --vcpu, --requests and --memory",
        ),
        (("--memory", "victim", "--longest"), "--memory has no longest wait"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, rings_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(rings_folder), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
