"""Finds experiments: each is a file in `experiments/` with one `EXPERIMENT`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bulkhead.base.errors import BulkheadError, mistake
from bulkhead.base.text import suggest
from bulkhead.experiment.declare import Experiment

FOLDER = Path(__file__).resolve().parents[3] / "experiments"


def names(folder: Path = FOLDER) -> list[str]:
    """Names of all experiments."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def find(name: str, folder: Path = FOLDER) -> Experiment:
    """An experiment by name. BulkheadError if there is none, or its file is none."""
    known = names(folder)
    if name not in known:
        raise BulkheadError(f"unknown experiment '{name}'{suggest(name, known)}")
    path = folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"bulkhead_experiment_{name}", path)
    if spec is None or spec.loader is None:
        raise BulkheadError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BulkheadError(f"experiment {name} cannot be loaded: {mistake(error)}") from error
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise BulkheadError(f"{path.name} declares no EXPERIMENT; see docs/experiments.md")
    if experiment.name != name:
        raise BulkheadError(
            f"{path.name} declares experiment '{experiment.name}'; give it the name of its file"
        )
    return experiment


def find_all(folder: Path = FOLDER) -> list[Experiment]:
    """Every experiment. BulkheadError if a file holds none."""
    return [find(name, folder) for name in names(folder)]


def find_sound(folder: Path = FOLDER, except_for: str = "") -> tuple[list[Experiment], list[str]]:
    """Every experiment that can be loaded but `except_for`, and a line for each file that cannot."""
    found, broken = [], []
    for name in (known for known in names(folder) if known != except_for):
        try:
            found.append(find(name, folder))
        except BulkheadError as error:
            broken.append(str(error))
    return found, broken
