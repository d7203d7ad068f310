"""Dataclasses to JSON values and back. A field that is missing, unknown or of the wrong type is refused with its place."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


class FormatError(ValueError):
    """Data that does not match its type; the message names the place."""


def to_plain(value: Any) -> Any:
    """Nested dataclasses, mappings and sequences as dicts and lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, collections.abc.Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], data: Any, place: str = "") -> T:
    """`data` as a value of `kind`; `place` is how messages call it."""
    value: T = _convert(kind, data, place or kind.__name__)
    return value


def _convert(kind: Any, data: Any, place: str) -> Any:
    if kind is Any:
        return data
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, data, place)
    if origin in (dict, collections.abc.Mapping):
        _require(isinstance(data, dict), "an object", data, place)
        return {key: _convert(arguments[1], item, f"{place}.{key}") for key, item in data.items()}
    if origin in (tuple, list):
        _require(isinstance(data, list), "a list", data, place)
        return origin(_convert(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(data))
    return _scalar(kind, data, place)


def _dataclass(kind: Any, data: Any, place: str) -> Any:
    _require(isinstance(data, dict), "an object", data, place)
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    names = [field.name for field in fields]
    if missing := [field.name for field in fields if field.name not in data and _required(field)]:
        raise FormatError(f"{place}: '{missing[0]}' is missing")
    if unknown := sorted(set(data) - set(names)):
        raise FormatError(f"{place}: '{unknown[0]}' is unknown")
    return kind(
        **{name: _convert(hints[name], data[name], f"{place}.{name}") for name in names if name in data}
    )


def _required(field: dataclasses.Field[Any]) -> bool:
    """A field with a default is newer than the first files, which lack it."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _union(kinds: tuple[Any, ...], data: Any, place: str) -> Any:
    for kind in kinds:
        try:
            return _convert(kind, data, place)
        except FormatError:
            continue
    raise FormatError(
        f"{place}: {data!r} is none of {', '.join(getattr(k, '__name__', str(k)) for k in kinds)}"
    )


def _scalar(kind: Any, data: Any, place: str) -> Any:
    if kind is float:
        _require(isinstance(data, (int, float)) and not isinstance(data, bool), "a number", data, place)
        return float(data)
    exact = type(data) is kind  # a bool is not an int here
    _require(
        exact,
        {int: "a whole number", str: "text", bool: "true or false"}.get(kind, kind.__name__),
        data,
        place,
    )
    return data


def _require(holds: bool, wanted: str, data: Any, place: str) -> None:
    if not holds:
        raise FormatError(f"{place}: {data!r} is not {wanted}")
