"""The notebooks in docs/ run from top to bottom, cell by cell, as a reader would run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_is_one() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": f"notebook_{path.stem}"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], f"cell {number}: keep outputs out of the repository"
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
