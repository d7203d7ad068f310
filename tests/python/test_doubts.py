"""Settings without effect are said in one line, with the run and in the result; policies declare what they ignore."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulkhead import Disk, Guest, Machine, Policy, TimelineEntry
from bulkhead.backend.doubts import doubts
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.experiment.archive import Captured
from bulkhead.experiment.conclude import conclude
from bulkhead.experiment.find import find
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.plan import make_plan
from bulkhead.metrics import run_intervals, shares, trace_of
from bulkhead.model import storage
from bulkhead.policy.tables import built_policies

MS = 1_000_000
SOUND = {n: p for n, p in built_policies("scheduler").items() if not p.has("misbehaves")}


def hogs(weight: int = 256, cap: int = 0) -> tuple[Guest, ...]:
    first = Guest("first", "workload:cpu_hog", memory=4 * MIB, weight=weight, cap=cap)
    return first, Guest("second", "workload:cpu_hog", memory=4 * MIB)


def share_of_first(policy: str, guests: tuple[Guest, ...]) -> float:
    run = Machine(guests=guests, sched=Policy(policy), duration=2_000 * MS).run(backend="sim")
    trace = trace_of(run)
    domain = run.domain_id("first")
    return shares(run_intervals(trace), trace.whole, [domain], 1)[domain]


@pytest.mark.parametrize("name", sorted(SOUND))
def test_what_a_policy_declares_is_what_it_does(name: str) -> None:
    plain = share_of_first(name, hogs())
    capped, weighted = share_of_first(name, hogs(cap=20)), share_of_first(name, hogs(weight=1024))
    assert (abs(capped - plain) < 0.02) == SOUND[name].has("ignores_caps"), (plain, capped)
    assert (abs(weighted - plain) < 0.02) == SOUND[name].has("ignores_weights"), (plain, weighted)


def test_ignored_settings_and_late_entries_are_named() -> None:
    late = (TimelineEntry(5 * MS, "set_weight", "second", 512), TimelineEntry(50 * MS, "pause", "first"))
    machine = Machine(guests=hogs(cap=50), sched=Policy("rtds"), duration=20 * MS, timeline=late)
    assert doubts(machine) == (
        "rtds ignores caps, but caps are set for first; choose another scheduler",
        "rtds ignores weights, but weights are set for second; choose another scheduler",
        "timeline: pause of first at 50 ms is after the end of the run, 20 ms",
    )
    assert doubts(Machine(guests=hogs(512, 50), sched=Policy("credit"))) == ()
    assert doubts(Machine(guests=hogs(512)))[0].startswith("the built-in fallback ignores weights")
    assert doubts(Machine(guests=hogs(), sched=Policy("round_robin"))) == ()


def test_a_group_reserves_once() -> None:
    def reserving(group: str | None) -> Machine:
        guests = tuple(
            Guest(f"g{i}", "workload:disk", ringctl={"reservation": 2_000}, group=group) for i in range(3)
        )
        return Machine(guests=guests, ringctl=Policy("mclock"), disk=Disk(request_us=400))

    assert doubts(reserving("batch")) == ()
    assert doubts(reserving(None)) == (
        "mclock: the reservations of g0, g1, g2 add up to 6000 requests per second; the drive serves at most 2500",
    )


def test_the_warning_is_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guest = "kernel=workload:cpu_hog,name=first,mem=4M,cap=20"
    words = [
        "boot",
        "--backend",
        "sim",
        "--guest",
        guest,
        "--sched",
        "round_robin",
        "--for",
        "10ms",
        "--mem",
        "128M",
    ]
    assert main([*words, "--out", str(tmp_path)]) == 5
    text = "round_robin ignores caps, but caps are set for first; choose another scheduler"
    assert f"   warning: {text}" in capsys.readouterr().out.splitlines()
    assert storage.load(tmp_path).warnings == (text,)


def test_the_result_has_it_once() -> None:
    experiment = find("weights")
    plan = make_plan(experiment, True, ("sched=round_robin", "duration_ms=200", "warm_up_ms=50"))
    points = plan.points[:2]
    captures = [Captured(p, 0, experiment.machine(p).run(backend="sim"), "sim") for p in points]
    result = conclude(plan, captures, [normalise(experiment, one) for one in captures], [])
    found = [line for line in result.warnings if "round_robin ignores weights" in line]
    assert len(found) == 1 and found[0].split(" runs:")[0] in ("1 of 2", "2 of 2")
