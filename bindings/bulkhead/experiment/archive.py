"""Keeps finished runs on disk, so that everything after the capture can be done again without a machine."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import FormatError, from_plain, to_plain
from bulkhead.base.schema import GOOD_ENDS
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.point import Point
from bulkhead.model import storage
from bulkhead.model.run import Run
from bulkhead.result import PointResult, write_json
from bulkhead.study.explain import keep_ejection

PLACE = "point.json"


@dataclass(frozen=True)
class Place:
    """Where in an experiment a run belongs. Written last: a folder without this file is not a finished capture."""

    experiment: str
    backend: str
    repeat: int
    levels: dict[str, int | str]
    settings: dict[str, int]
    policy_settings: dict[str, int]
    identity: str = ""  # of everything that decides the run; see identity.py
    sample: int = 0


@dataclass(frozen=True)
class Captured:
    """A run, the point it belongs to, and which repetition of which sample it is.

    Once its `numbers` are worked out, its trace may be left on disk: in a large sweep nothing else fits into memory.
    """

    point: Point
    repeat: int
    run: Run
    backend: str
    numbers: PointResult | None = None
    folder: Path | None = None
    sample: int = 0

    @property
    def label(self) -> str:
        """The point, and which sample of it, for messages."""
        return self.point.label + (f", sample {self.sample}" if self.sample else "")

    def without_trace(self, numbers: PointResult, folder: Path) -> Captured:
        """The same with its numbers, its trace only in `folder`."""
        return replace(
            self, run=replace(self.run, trace=self.run.trace[:0].copy()), numbers=numbers, folder=folder
        )

    def whole_run(self) -> Run:
        """The run with its trace."""
        return self.run if self.folder is None else storage.load(self.folder)


def save_run(folder: Path, experiment: Experiment, captured: Captured, identity: str = "") -> None:
    """Write one run into a folder of its own. Only a whole run with an end of its own counts as finished."""
    point = captured.point
    (folder / PLACE).unlink(missing_ok=True)
    storage.save(captured.run, folder)
    keep_ejection(captured.run, folder)
    if not captured.run.complete or captured.run.exit_status not in GOOD_ENDS:
        return
    place = Place(
        experiment=experiment.name,
        backend=captured.backend,
        repeat=captured.repeat,
        levels=dict(point.levels),
        settings=dict(point.settings),
        policy_settings=dict(point.policy_settings),
        identity=identity,
        sample=captured.sample,
    )
    write_json(folder / PLACE, to_plain(place))


def _place(folder: Path) -> Place:
    try:
        return from_plain(Place, json.loads((folder / PLACE).read_text(encoding="utf-8")), PLACE)
    except (OSError, json.JSONDecodeError, FormatError) as error:
        raise BulkheadError(f"{folder} holds no captured run: {error}") from None


def is_finished(folder: Path, identity: str) -> bool:
    """Whether the folder holds a finished run of exactly this identity."""
    try:
        return _place(folder).identity == identity
    except BulkheadError:
        return False


def load_run(folder: Path, experiment: Experiment, trace: bool = True) -> Captured:
    """Read one run back, or all but its trace. BulkheadError if the folder holds no finished run of this experiment."""
    place = _place(folder)
    if place.experiment != experiment.name:
        raise BulkheadError(f"{folder} was captured for {place.experiment}")
    point = Point(place.levels, place.settings, place.policy_settings)
    return Captured(point, place.repeat, storage.load(folder, trace), place.backend, sample=place.sample)
