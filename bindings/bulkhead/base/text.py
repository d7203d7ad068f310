"""Text that people write and read: sizes, durations, lists with quotes, and suggestions for misspelt words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from bulkhead.base.errors import SpecError

SIZE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
TIME_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
LONG_UNITS = {"min": 60 * TIME_UNITS["s"], "h": 3_600 * TIME_UNITS["s"]}  # that are read and never written


def suggest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" or the list to choose from."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; choose from {', '.join(names)}" if names else "; none is built or declared"


def parse_size(text: str, what: str) -> int:
    """Bytes of "64M", "1G", "512K". SpecError says what to write."""
    match = re.fullmatch(r"(\d+)([KMG])(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise SpecError(f"{what}: '{text}' is not a size; write for example 64M")
    return int(match[1]) * SIZE_UNITS[match[2].upper()]


def parse_duration(text: str, what: str) -> int:
    """Nanoseconds of "2s", "500ms", "1.5s", "30min". SpecError says what to write."""
    units = TIME_UNITS | LONG_UNITS
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)({'|'.join(units)})", text.strip())
    nanoseconds = round(float(match[1]) * units[match[2]]) if match else 0
    if nanoseconds <= 0:
        raise SpecError(f"{what}: '{text}' is not a duration; write for example 2s or 500ms")
    return nanoseconds


def parse_integer(text: str, what: str, least: int, most: int) -> int:
    """An integer within bounds. SpecError names them."""
    try:
        value = int(text, 0)
    except ValueError:
        raise SpecError(f"{what}: '{text}' is not a whole number") from None
    if not least <= value <= most:
        raise SpecError(f"{what}: {value} is outside {least} to {most}")
    return value


def split_list(text: str, what: str) -> list[str]:
    """Split at commas, except in double quotes or after a backslash; quotes and escapes are taken away."""
    parts, quoted, characters = [""], False, iter(text)
    for character in characters:
        if character == "\\":
            parts[-1] += next(characters, "\\")
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    if quoted:
        raise SpecError(f"{what}: a double quote is not closed in: {text}")
    return parts


def split_pairs(text: str, what: str, example: str) -> dict[str, str]:
    """NAME=VALUE,... as a dict. SpecError for a part without "=", an empty name or a name given twice."""
    pairs: dict[str, str] = {}
    for part in split_list(text, what):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise SpecError(f"{what}: '{part}' is not NAME=VALUE; write for example {example}")
        if name in pairs:
            raise SpecError(f"{what}: '{name}' is given twice")
        pairs[name] = value
    return pairs


def format_ns(nanoseconds: int) -> str:
    """A duration for people, with three or four digits."""
    for unit in ("s", "ms", "us"):
        if abs(nanoseconds) >= TIME_UNITS[unit]:
            return f"{nanoseconds / TIME_UNITS[unit]:.4g} {unit}"
    return f"{nanoseconds} ns"
