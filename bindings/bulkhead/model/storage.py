"""A run on disk: `run.json` (all but the trace), `trace.npz`, one text file per console. Raw data; never edited later.

`load` is how a trace is read back: the file holds its bytes in another order.
"""

from __future__ import annotations

import json
import typing
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import from_plain, to_plain
from bulkhead.base.layouts import RECORD
from bulkhead.model.run import Run

SUMMARY = "run.json"
TRACE = "trace.npz"


def save(run: Run, folder: Path) -> None:
    """Write the run into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = {name: to_plain(getattr(run, name)) for name in Run.__dataclass_fields__ if name != "trace"}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    _save_trace(run.trace, folder / TRACE)
    for name, text in run.consoles.items():
        (folder / f"console-{name}.txt").write_text(text, encoding="utf-8")


def _save_trace(trace: npt.NDArray[Any], path: Path) -> None:
    """Byte 0 of all records, then byte 1, and so on: most planes hardly change, so they pack to a third, seven times as fast."""
    planes = np.ascontiguousarray(np.ascontiguousarray(trace).view(np.uint8).reshape(-1, RECORD.itemsize).T)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("planes.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, planes, allow_pickle=False)  # type: ignore[no-untyped-call]


def _records(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The trace again. ValueError if the bytes are not planes of records."""
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[0] != RECORD.itemsize:
        raise ValueError(f"{TRACE} has no planes of {RECORD.itemsize} bytes")
    records: npt.NDArray[Any] = np.ascontiguousarray(planes.T).reshape(-1).view(RECORD)
    return records


def load(folder: Path, trace: bool = True) -> Run:
    """Read a run back, or all of it but its trace. BulkheadError if the folder holds none."""
    hints = typing.get_type_hints(Run)
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        fields = {name: from_plain(hints[name], value, name) for name, value in summary.items()}
        if not trace:
            return Run(trace=np.zeros(0, dtype=RECORD), **fields)
        with np.load(folder / TRACE, allow_pickle=False) as arrays:
            return Run(trace=_records(arrays["planes"]), **fields)
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise BulkheadError(
            f"{folder} holds no run: it has no {missing}; write a folder from --out"
        ) from None
    except OSError as error:
        raise BulkheadError(f"{folder} holds no run: {error.strerror}; write a folder from --out") from None
    except (AttributeError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BulkheadError(f"{folder} holds no run: {error}") from None
