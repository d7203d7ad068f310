"""The first version of an experiment (the guide's example) and of a workload (the simplest victim) with its model."""

from __future__ import annotations

import re
from pathlib import Path

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import ROOT
from bulkhead.experiment.find import FOLDER
from bulkhead.policy.scaffold import check_name

GUIDE = ROOT / "docs" / "experiments.md"
VICTIM = ROOT / "workloads" / "victims" / "compute.cpp"
MODEL = ROOT / "plugin" / "sdk" / "example.model.cpp"
MODEL_NAME = "example"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
WORKLOAD_HEADER = """\
// {name}: say here what the victim does and what it loses to others. It starts as a copy of a victim that only
// computes: integer work in operations of 1000 instructions.
"""
MODEL_HEADER = """\
// What the workload {name} does, for the simulator. It starts as the model of a victim that only computes. Options and marks
// are those of the workload; each co_await is work or a call of the hypervisor.
"""


def _write(kind: str, name: str, target: Path, text: str) -> Path:
    if target.exists():
        raise SpecError(f"new {kind}: {target} exists already; choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def new_experiment(name: str, folder: Path | None = None) -> Path:
    """Write NAME.py into experiments/, or another folder. SpecError if the name is not valid or is taken."""
    check_name("experiment", name)
    if (FOLDER / f"{name}.py").exists():
        raise SpecError(f"new experiment: an experiment named '{name}' exists already; choose another name")
    found = BLOCK.search(GUIDE.read_text(encoding="utf-8"))
    if found is None:
        raise SpecError(f"new experiment: {GUIDE} has no example")
    text = (
        found[1].replace("my_experiment", name).replace("My experiment", name.replace("_", " ").capitalize())
    )
    return _write("experiment", name, (folder or FOLDER) / f"{name}.py", text)


def new_workload(name: str, folder: Path | None = None) -> list[Path]:
    """Write NAME.cpp into workloads/victims/; or NAME.workload.cpp and its model NAME.model.cpp into another folder.

    SpecError if the name is not valid or is taken.
    """
    check_name("workload", name)
    taken = {path.stem for kind in ("victims", "attacks") for path in (ROOT / "workloads" / kind).iterdir()}
    if name in taken:
        raise SpecError(f"new workload: a workload named '{name}' exists already; choose another name")
    source = WORKLOAD_HEADER.format(name=name) + _renamed(VICTIM, VICTIM.stem, name)
    if folder is None:
        return [_write("workload", name, VICTIM.with_name(f"{name}.cpp"), source)]
    model = MODEL_HEADER.format(name=name) + _renamed(MODEL, MODEL_NAME, name)
    if (folder / f"{name}.model.cpp").exists():
        raise SpecError(f"new workload: {folder / name}.model.cpp exists already; choose another name")
    return [
        _write("workload", name, folder / f"{name}.workload.cpp", source),
        _write("workload", name, folder / f"{name}.model.cpp", model),
    ]


def _renamed(example: Path, old: str, name: str) -> str:
    """An example without its opening comment, under another name."""
    body = re.sub(r"\A(//[^\n]*\n)+", "", example.read_text(encoding="utf-8"))
    return re.sub(rf"\b{old}\b", name, body)
