"""Finds experiments: each is a file in `experiments/` with one `EXPERIMENT`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bulkhead.base.errors import BulkheadError
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
    spec.loader.exec_module(module)
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise BulkheadError(f"{path.name} declares no EXPERIMENT; see docs/experiments.md")
    if experiment.name != name:
        raise BulkheadError(
            f"{path.name} declares experiment '{experiment.name}'; give it the name of its file"
        )
    return experiment


def find_all(folder: Path = FOLDER) -> list[Experiment]:
    """Every experiment."""
    return [find(name, folder) for name in names(folder)]
