"""Keeps finished runs on disk, so that everything after the capture can be done again without a machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bulkhead import storage
from bulkhead.experiment.declare import Experiment, Point
from bulkhead.result import from_plain, to_plain, write_json
from bulkhead.result.plain import FormatError
from bulkhead.run import Run
from bulkhead.spec import BulkheadError

PLACE = "point.json"


@dataclass(frozen=True)
class Place:
    """Where in an experiment a run belongs. Written last: a folder without it is no finished capture."""

    experiment: str
    backend: str
    repeat: int
    levels: dict[str, int | str]
    settings: dict[str, int]
    policy_settings: dict[str, int]


@dataclass(frozen=True)
class Captured:
    """A run, the point it belongs to, and which repetition it is."""

    point: Point
    repeat: int
    run: Run
    backend: str


def save_run(folder: Path, experiment: Experiment, captured: Captured) -> None:
    """Write one run into a folder of its own."""
    point = captured.point
    storage.save(captured.run, folder)
    place = Place(
        experiment=experiment.name,
        backend=captured.backend,
        repeat=captured.repeat,
        levels=dict(point.levels),
        settings=dict(point.settings),
        policy_settings=dict(point.policy_settings),
    )
    write_json(folder / PLACE, to_plain(place))


def load_run(folder: Path, experiment: Experiment) -> Captured:
    """Read one run back. BulkheadError if the folder holds no finished run of this experiment."""
    try:
        place = from_plain(Place, json.loads((folder / PLACE).read_text(encoding="utf-8")), PLACE)
    except (OSError, json.JSONDecodeError, FormatError) as error:
        raise BulkheadError(f"{folder} holds no captured run: {error}") from None
    if place.experiment != experiment.name:
        raise BulkheadError(f"{folder} was captured for {place.experiment}")
    point = Point(place.levels, place.settings, place.policy_settings)
    return Captured(point, place.repeat, storage.load(folder), place.backend)
