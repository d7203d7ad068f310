"""Keeps finished runs as .npz files, so that everything after the capture can be done again without a machine."""

from __future__ import annotations

import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bulkhead.experiment.declare import Experiment, Point
from bulkhead.result import from_plain, to_plain
from bulkhead.result.plain import FormatError
from bulkhead.run import Landmark, Run, Versions
from bulkhead.spec import BulkheadError

ARCHIVE_VERSION = 1


@dataclass(frozen=True)
class RunRecord:
    """What is kept of a run beside its trace. The machine is not: the point and the declaration make it again."""

    version: int
    experiment: str
    backend: str
    levels: dict[str, int | str]
    settings: dict[str, int]
    policy_settings: dict[str, int]
    repeat: int
    exit_status: int
    trace_sha256: str
    landmark: Landmark
    consoles: dict[str, str]
    versions: Versions
    reproducible: bool


@dataclass(frozen=True)
class Captured:
    """A run, the point it belongs to, and which repetition it is."""

    point: Point
    repeat: int
    run: Run
    backend: str


def save_run(path: Path, experiment: Experiment, captured: Captured) -> None:
    """Write one run, whole or not at all."""
    run, point = captured.run, captured.point
    record = RunRecord(
        version=ARCHIVE_VERSION,
        experiment=experiment.name,
        backend=captured.backend,
        levels=dict(point.levels),
        settings=dict(point.settings),
        policy_settings=dict(point.policy_settings),
        repeat=captured.repeat,
        exit_status=run.exit_status,
        trace_sha256=run.trace_sha256,
        landmark=run.landmark,
        consoles=run.consoles,
        versions=run.versions,
        reproducible=run.reproducible,
    )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, trace=run.trace, record=np.array(json.dumps(to_plain(record))))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(buffer.getvalue())
    os.replace(name, path)


def load_run(path: Path, experiment: Experiment) -> Captured:
    """Read one run back. BulkheadError if the file is not a run of this experiment."""
    try:
        with np.load(path, allow_pickle=False) as file:
            trace, text = file["trace"], str(file["record"])
        record = from_plain(RunRecord, json.loads(text), path.name)
    except (OSError, KeyError, ValueError, FormatError) as error:
        raise BulkheadError(f"{path} is no captured run: {error}") from None
    if (record.experiment, record.version) != (experiment.name, ARCHIVE_VERSION):
        raise BulkheadError(f"{path} was captured for {record.experiment}, version {record.version}")
    point = Point(record.levels, record.settings, record.policy_settings)
    run = Run(
        machine=experiment.machine(point),
        exit_status=record.exit_status,
        trace=trace,
        trace_sha256=record.trace_sha256,
        landmark=record.landmark,
        consoles=record.consoles,
        versions=record.versions,
        reproducible=record.reproducible,
        host_seconds=0.0,
    )
    return Captured(point, record.repeat, run, record.backend)
