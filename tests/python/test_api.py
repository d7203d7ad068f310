"""The package as a researcher uses it: one machine, two back ends, tables in a notebook, clear refusals."""

from __future__ import annotations

from dataclasses import replace

import bulkhead
import pytest
from bulkhead import Guest, Machine, Policy, SpecError, Timeline, Trace

MACHINE = Machine(
    guests=(
        Guest("web", "workload:compute", memory=4 << 20),
        Guest("hog", "workload:cpu_hog", memory=4 << 20, start_paused=True),
    ),
    sched=Policy("credit"),
    timeline=Timeline().at("30ms", "unpause", "hog").at(60_000_000, "set_weight", "hog", 512),
    duration=100_000_000,
    end_when_idle=False,
)


def test_a_machine_runs_in_the_simulator() -> None:
    run = MACHINE.run(backend="sim")
    assert run.landmark.ledger["hog"].weight == 512
    assert len(Trace(run.trace, bulkhead.metrics.Schema.built()).of("domain_unpause")) >= 2


def test_objects_show_themselves_in_a_notebook() -> None:
    run = MACHINE.run(backend="sim")
    assert "<td>hog</td>" in MACHINE._repr_html_()
    assert "0 ns unexplained" in run._repr_html_()
    evil = replace(MACHINE, guests=(replace(MACHINE.guests[0], cmdline="<script>"),))
    assert "<script>" not in evil._repr_html_()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pcpus": 0}, "pcpus=0 is outside 1 to 64"),
        ({"pcpus": "2"}, "pcpus='2' is not a whole number"),
        ({"duration": 1.5}, "duration=1.5 is not a whole number"),
        ({"end_when_idle": 1}, "end_when_idle=1 is not True or False"),
        ({"seed": True}, "seed=True is not a whole number"),
        ({"sched": Policy("kredit")}, "unknown scheduler 'kredit'"),
        ({"sched": Policy("credit", {"round": 1})}, "round=1 is outside"),
        ({"guests": ("web",)}, "'web' is no GuestSpec"),
    ],
)
def test_impossible_machines_are_named(change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError, match=message):
        replace(MACHINE, timeline=(), **change).run(backend="sim")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight": 0}, "guest web: weight=0 is outside 1 to 65535"),
        ({"weight": "heavy"}, "guest web: weight='heavy' is not a whole number"),
        ({"vcpus": 0}, "guest web: vcpus=0 is outside 1 to"),
        ({"cap": 101}, "guest web: cap=101 is outside 0 to 100"),
        ({"memory": 5}, "too little"),
        ({"kernel": "workload:kompute"}, "unknown workload 'kompute'"),
    ],
)
def test_impossible_guests_are_named(change, message) -> None:  # type: ignore[no-untyped-def]
    guests = (replace(MACHINE.guests[0], **change), MACHINE.guests[1])
    with pytest.raises(SpecError, match=message):
        replace(MACHINE, guests=guests).run(backend="sim")


def test_more_memory_than_there_is_is_refused_by_the_hypervisor_s_back_end() -> None:
    with pytest.raises(SpecError, match="are too little"):
        replace(MACHINE, memory=32 << 20).run()


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no 'xen'"):
        MACHINE.run(backend="xen")


def test_the_timeline_is_checked_as_it_is_written() -> None:
    with pytest.raises(SpecError, match="unknown timeline action 'unpuase'"):
        Timeline().at("1s", "unpuase", "hog")
    with pytest.raises(SpecError, match="whole nanoseconds"):
        Timeline().at(-1, "unpause", "hog")


def test_every_public_name_says_what_it_is() -> None:
    for name in bulkhead.__all__:
        assert getattr(bulkhead, name).__doc__, name
