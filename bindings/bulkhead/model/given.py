"""Fields as people write them: sizes and durations as text, a policy by its name, lists for tuples. Made exact at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bulkhead.base.text import parse_duration, parse_size


def set_sizes(value: Any, *names: str) -> None:
    """ "64M" becomes bytes in these fields of a frozen dataclass."""
    for name in names:
        if isinstance(text := getattr(value, name), str):
            object.__setattr__(value, name, parse_size(text, name))


def set_durations(value: Any, *names: str) -> None:
    """ "500ms" becomes nanoseconds, and "0" none."""
    for name in names:
        if isinstance(text := getattr(value, name), str):
            object.__setattr__(value, name, 0 if text == "0" else parse_duration(text, name))


def set_tuples(value: Any, *names: str) -> None:
    """A list, a range or a generator becomes a tuple; text and single values stay, to be refused by the checks."""
    for name in names:
        given = getattr(value, name)
        if isinstance(given, Iterable) and not isinstance(given, (str, bytes, tuple, dict)):
            object.__setattr__(value, name, tuple(given))
