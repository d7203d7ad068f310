"""The package as a researcher uses it: one machine, two back ends, tables in a notebook, clear refusals."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

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
        ({"guests": ("web",)}, "'web' is not a Guest"),
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
    with pytest.raises(SpecError, match="unknown back end 'xen'"):
        MACHINE.run(backend="xen")


def test_the_timeline_is_checked_as_it_is_written() -> None:
    with pytest.raises(SpecError, match="unknown timeline action 'unpuase'"):
        Timeline().at("1s", "unpuase", "hog")
    with pytest.raises(SpecError, match="whole nanoseconds"):
        Timeline().at(-1, "unpause", "hog")


def says(thing: object) -> bool:
    """Whether somebody wrote what it is: more than the signature that dataclasses, enums, tuples and pybind11 write."""
    doc = (getattr(thing, "__doc__", None) or "").strip()
    if doc.endswith("-> None") or "(self: " in doc.partition("\n")[0]:  # pybind11
        doc = doc.partition("\n")[2].strip()
    name = getattr(thing, "__name__", None)
    return (
        bool(doc)
        and not (name and doc.startswith(f"{name}("))
        and doc not in ("An enumeration.", Enum.__doc__)
    )


def members(cls: type) -> dict[str, object]:
    """The methods and properties that a class has of its own, by their names."""
    kinds = (property, classmethod, staticmethod, cached_property)
    return {
        f"{cls.__name__}.{name}": getattr(member, "__func__", member)
        for name, member in vars(cls).items()
        if not name.startswith("_") and (callable(member) or isinstance(member, kinds))
    }


class Undocumented:
    """Something with one method that says nothing."""

    def silent(self) -> None:
        pass


@dataclass
class Automatic:
    number: int


def test_what_dataclasses_write_and_silent_methods_are_noticed() -> None:
    assert str(Automatic.__doc__).startswith("Automatic(number") and not says(Automatic)
    assert [name for name, member in members(Undocumented).items() if not says(member)] == [
        "Undocumented.silent"
    ]


def test_every_public_name_and_method_says_what_it_is() -> None:
    things = {name: getattr(bulkhead, name) for name in bulkhead.__all__}
    for thing in list(things.values()):
        if inspect.isclass(thing):
            things.update(members(thing))
    assert len(things) > 140
    assert [name for name, thing in things.items() if not says(thing)] == []
