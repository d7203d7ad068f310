"""What Python takes from the C++ headers is whole: no byte of a structure without a field, no field without a value."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from bulkhead import _core
from bulkhead.base.paths import KIND_FOLDER
from bulkhead.base.schema import hook_name
from bulkhead.model.summary import SHUTDOWN_TEXT
from bulkhead.model.landmark import DomainLedger, Landmark, NonPreemptibleSection, PcpuLedger, PolicyReport
from bulkhead.model.run import EXIT_TEXT
from bulkhead.policy.scheduler import Stop
from bulkhead.policy.tables import KIND_TEXT


def covered(layout: np.dtype[Any]) -> int:
    """Bytes of a type that belong to a named field, looking into nested structures and arrays."""
    if layout.subdtype is not None:
        base, shape = layout.subdtype
        return covered(base) * int(np.prod(shape))
    if layout.fields is None:
        return layout.itemsize
    return sum(covered(field[0]) for field in layout.fields.values())


@pytest.mark.parametrize("name", sorted(_core.layouts()))
def test_no_byte_without_a_field(name: str) -> None:
    layout = _core.layouts()[name]
    assert covered(layout) == layout.itemsize


def names(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("kind", "field", "extra"),
    [
        (PcpuLedger, "pcpu_ledgers", set()),
        (NonPreemptibleSection, "r_max", {"reserved"}),
        (PolicyReport, "policies", set()),
    ],
)
def test_page_parts_reach_python(kind: type, field: str, extra: set[str]) -> None:
    part = _core.layouts()["landmark.Page"][field]
    fields = set((part.base if part.subdtype else part).names or ())
    renamed = {"parameter_count": "parameters"}
    assert {renamed.get(name, name) for name in fields} - extra == names(kind)


def test_every_kind_of_policy_has_a_folder_a_text_and_hooks() -> None:
    kinds = set(_core.enums["plugin.Kind"])
    assert kinds == set(KIND_FOLDER) == set(KIND_TEXT) == set(_core.hooks)
    assert hook_name("scheduler", _core.hooks["scheduler"]["pick"]) == "pick"
    assert hook_name("scheduler", 99) == hook_name("no kind", 99) == "99"


def test_the_reasons_for_a_stop_are_the_contract_s() -> None:
    assert {stop.name.lower(): int(stop) for stop in Stop} == _core.enums["sched.Stop"]
    assert [stop for stop in Stop if stop.still_runnable] == [Stop.SLICE_END, Stop.YIELDED, Stop.PREEMPTED]


def test_every_exit_and_shutdown_has_a_text() -> None:
    assert set(EXIT_TEXT) == set(_core.enums["landmark.Exit"].values())
    assert set(SHUTDOWN_TEXT) == set(_core.enums["landmark.Shutdown"]) - {"none"}


def test_ledger_entry_reaches_python() -> None:
    assert set(_core.layouts()["landmark.LedgerEntry"].names or ()) - {"reserved"} == names(DomainLedger)


def test_page_reaches_python() -> None:
    plumbing = {
        "magic",
        "version",
        "ledger_physical",
        "ledger_capacity",
        "ledger_used",
        "rings",
        "draining",
        "disks_physical",
        "reserved",
        "pcpu_ledgers",
    }
    fields = set(_core.layouts()["landmark.Page"].names or ()) - plumbing
    assert fields - names(Landmark) == set()


def test_record_is_32_bytes() -> None:
    record = _core.layouts()["trace.Record"]
    assert record.itemsize == 32
    assert record.names == ("time", "event", "domain", "vcpu", "pcpu", "a", "b")


def test_events_are_numbered_in_order() -> None:
    assert [event["number"] for event in _core.events] == list(range(len(_core.events)))
    assert {event["name"]: event["number"] for event in _core.events} == _core.enums["trace.Event"]
    groups = set(_core.enums["trace.Group"].values())
    assert all(event["group"] in groups for event in _core.events)


def test_enum_names() -> None:
    assert _core.enums["landmark.Exit"] == {
        "all_off": 0,
        "bad_input": 2,
        "guest_crashed": 3,
        "panicked": 4,
        "time_over": 5,
    }
    assert _core.enums["manifest.TimeMode"] == {"real": 0, "virtual": 1, "dilated": 2}
