"""A run on disk: `run.json` (all but the trace), `trace.npz`, one text file per console. Raw data; never edited later."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import numpy as np

from bulkhead.result.plain import from_plain, to_plain
from bulkhead.run import Run
from bulkhead.schema import RECORD
from bulkhead.spec import BulkheadError

SUMMARY = "run.json"
TRACE = "trace.npz"


def save(run: Run, folder: Path) -> None:
    """Write the run into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = {name: to_plain(getattr(run, name)) for name in Run.__dataclass_fields__ if name != "trace"}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    np.savez_compressed(folder / TRACE, trace=run.trace)
    for name, text in run.consoles.items():
        (folder / f"console-{name}.txt").write_text(text, encoding="utf-8")


def load(folder: Path, trace: bool = True) -> Run:
    """Read a run back, or all of it but its trace. BulkheadError if the folder holds none."""
    hints = typing.get_type_hints(Run)
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        fields = {name: from_plain(hints[name], value, name) for name, value in summary.items()}
        if not trace:
            return Run(trace=np.zeros(0, dtype=RECORD), **fields)
        with np.load(folder / TRACE, allow_pickle=False) as arrays:
            return Run(trace=arrays["trace"], **fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BulkheadError(f"{folder} holds no run: {error}") from None
