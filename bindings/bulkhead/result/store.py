"""Reads and writes result files. A file is whole or not there: it is written beside its place and then moved into it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import FormatError, from_plain, to_plain
from bulkhead.result.model import Result, check_metrics

FORMAT_VERSION = 1
LONGEST_ROW = 400  # characters


def layout(data: Any, indent: int = 0) -> str:
    """JSON with one line for each row of a table: what is short enough stands on one line, the rest is indented.

    Floats are in their shortest exact form. ValueError for NaN and infinities.
    """
    row = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if not isinstance(data, dict | list) or len(row) <= LONGEST_ROW:
        return row
    inner = "\n" + " " * (indent + 1)
    outer = "\n" + " " * indent
    if isinstance(data, list):
        return "[" + ",".join(inner + layout(item, indent + 1) for item in data) + outer + "]"
    items = (
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {layout(item, indent + 1)}"
        for key, item in data.items()
    )
    return "{" + ",".join(items) + outer + "}"


def write_json(path: Path, data: Any) -> None:
    """Atomically, with a stable layout."""
    text = layout(data) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_result(path: Path, result: Result) -> None:
    """Check the result against its own schema, then write it."""
    plain = to_plain(result)
    checked(plain)
    write_json(path, plain)


def checked(plain: Any) -> Result:
    """A result from JSON values. FormatError if it is not one, or one of another format version."""
    if isinstance(plain, dict) and plain.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise FormatError(
            f"format version {plain['format_version']}, but this program reads {FORMAT_VERSION}"
        )
    result = from_plain(Result, plain, "result")
    for number, point in enumerate(result.points):
        check_metrics(point.metrics, f"result.points[{number}].metrics")
        for sample in point.samples:
            check_metrics(sample.metrics, f"result.points[{number}].samples[{sample.sample}].metrics")
        unknown = set(point.metrics) - set(result.metrics)
        if unknown:
            raise FormatError(f"result.points[{number}]: metric '{min(unknown)}' has no description")
    return result


def read_result(path: Path) -> Result:
    """Read and check a result file. BulkheadError with one line if it cannot be used."""
    try:
        return checked(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BulkheadError(f"cannot read the result {path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, FormatError) as error:
        raise BulkheadError(f"{path} is not a result of this version: {error}") from None
