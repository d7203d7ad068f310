"""The first version of an experiment, which is the guide's example, and of a workload, which is the simplest victim."""

from __future__ import annotations

import re
from pathlib import Path

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import ROOT
from bulkhead.experiment.find import FOLDER
from bulkhead.policy.scaffold import check_name

GUIDE = ROOT / "docs" / "experiments.md"
VICTIM = ROOT / "workloads" / "victims" / "compute.cpp"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
WORKLOAD_HEADER = """\
// {name}: say here what the victim does and what it loses to others. It starts as a copy of a victim that only
// computes: integer work in operations of 1000 instructions.
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


def new_workload(name: str) -> Path:
    """Write NAME.cpp into workloads/victims/. SpecError if the name is not valid or is taken."""
    check_name("workload", name)
    taken = {path.stem for kind in ("victims", "attacks") for path in (ROOT / "workloads" / kind).iterdir()}
    if name in taken:
        raise SpecError(f"new workload: a workload named '{name}' exists already; choose another name")
    body = re.sub(r"\A(//[^\n]*\n)+", "", VICTIM.read_text(encoding="utf-8"))
    body = re.sub(rf"\b{VICTIM.stem}\b", name, body)
    return _write("workload", name, VICTIM.with_name(f"{name}.cpp"), WORKLOAD_HEADER.format(name=name) + body)
