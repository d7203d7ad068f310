"""The structures of the C++ headers as numpy types. Apart from the other tables, because numpy takes long to load."""

from __future__ import annotations

from typing import Any

import numpy as np

from bulkhead import _core


def layout(name: str) -> np.dtype[Any]:
    """The numpy type of a structure, e.g. "manifest.Guest"."""
    return _core.layouts()[name]


def part(kind: np.dtype[Any], name: str) -> tuple[np.dtype[Any], int]:
    """Type of a field of a structure, and its offset in bytes."""
    fields = kind.fields
    assert fields is not None, kind
    found = fields[name]
    return found[0], found[1]


RECORD = layout("trace.Record")
