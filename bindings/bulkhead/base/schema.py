"""The C++ headers' tables as Python sees them: constants, enums, trace events. Reads them; never adds to them."""

from __future__ import annotations

from collections.abc import Mapping

from bulkhead import _core
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest

EVENTS = {row["name"]: row for row in _core.events}
MARKS = _core.enums["guest.Mark"]  # what guests mark in the trace, by name
EXIT = _core.enums["landmark.Exit"]  # how a run ends, by name
GOOD_ENDS = (EXIT["all_off"], EXIT["time_over"])


def constant(name: str) -> int:
    """A constant of the headers, e.g. "landmark.magic"."""
    return _core.constants[name]


def event_number(name: str) -> int:
    """Number of a trace event. SpecError with a suggestion for a name that the schema does not have."""
    if name not in EVENTS:
        raise SpecError(f"unknown trace event '{name}'{suggest(name, EVENTS)}")
    return EVENTS[name]["number"]


def hook_name(kind: str, number: int) -> str:
    """Name of a hook of a kind of policy; the number itself as text if the contract has no such hook (a damaged page)."""
    return _name(_core.hooks.get(kind, {}), number)


def enum_value(enum: str, name: str, what: str) -> int:
    """Value of an enumerator; `what` is how the message calls it. SpecError with a suggestion for an unknown name."""
    values = _core.enums[enum]
    if name not in values:
        raise SpecError(f"unknown {what} '{name}'{suggest(name, values)}")
    return values[name]


def enum_name(enum: str, value: int) -> str:
    """Name of a value; the number itself as text if the enum has no such value (a damaged page)."""
    return _name(_core.enums[enum], value)


def _name(values: Mapping[str, int], value: int) -> str:
    return next((name for name, number in values.items() if number == value), str(value))


def group_mask(groups: tuple[str, ...]) -> int:
    """Bits of the trace groups named."""
    mask = 0
    for group in groups:
        mask |= enum_value("trace.Group", group, "trace group")
    return mask
