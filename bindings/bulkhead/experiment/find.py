"""Finds experiments: each is a file in `experiments/` with one `EXPERIMENT`."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path

from bulkhead.base.errors import BulkheadError, mistake
from bulkhead.base.text import suggest
from bulkhead.experiment.declare import Experiment

FOLDER = Path(__file__).resolve().parents[3] / "experiments"


def names(folder: Path = FOLDER) -> list[str]:
    """Names of all experiments."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


_outside: dict[str, Path] = {}  # folders of experiments that were named by their file


def folder_of(name: str) -> Path:
    """Where an experiment is declared: in the checkout, or where the file was that a command named."""
    return _outside.get(name, FOLDER)


def find(name: str, folder: Path | None = None) -> Experiment:
    """An experiment by name, or by the path of its file. BulkheadError if there is none, or its file is none.

    An experiment that was found by its path is known by its name from then on.
    """
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise BulkheadError(f"experiment {name}: there is no such file")
        experiment = find(path.stem, path.parent)
        _outside[path.stem] = path.parent
        return experiment
    folder = folder_of(name) if folder is None else folder
    known = names(folder)
    if name not in known:
        raise BulkheadError(
            f"unknown experiment '{name}'{suggest(name, known)}; or write the path of its file"
        )
    path = folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"bulkhead_experiment_{name}", path)
    if spec is None or spec.loader is None:
        raise BulkheadError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BulkheadError(f"experiment {name} cannot be loaded: {mistake(error)}") from error
    declared = getattr(module, "EXPERIMENT", None)
    if not isinstance(declared, Experiment):
        raise BulkheadError(f"{path.name} declares no EXPERIMENT; see docs/experiments.md")
    if declared.name != name:
        raise BulkheadError(
            f"{path.name} declares experiment '{declared.name}'; give it the name of its file"
        )
    return declared


def find_all(folder: Path = FOLDER) -> list[Experiment]:
    """Every experiment. BulkheadError if a file holds none."""
    return [find(name, folder) for name in names(folder)]


def find_sound(folder: Path = FOLDER, except_for: Collection[str] = ()) -> tuple[list[Experiment], list[str]]:
    """Every experiment that can be loaded but those `except_for`, and a line for each file that cannot."""
    found, broken = [], []
    for name in (known for known in names(folder) if known not in except_for):
        try:
            found.append(find(name, folder))
        except BulkheadError as error:
            broken.append(str(error))
    return found, broken
