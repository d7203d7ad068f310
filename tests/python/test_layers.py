"""The package's layers: each imports only what is to its left, without a circle, at the top of the file."""

import ast
from pathlib import Path

import bulkhead
import pytest
from layers import LAYERS, PACKAGE, PUBLIC, imports, modules, violations

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "bindings" / PACKAGE


def test_no_import_breaks_a_rule():
    assert violations(SOURCE) == []


def test_the_whole_package_was_looked_at():
    seen = modules(SOURCE)
    assert {name.split(".")[1] for name in seen.keys() - {PACKAGE, PUBLIC}} == set(LAYERS)
    arrows = {(one.module, one.target) for one in imports(SOURCE)}
    assert ("bulkhead.live.steer", "bulkhead.backend.check") in arrows
    assert ("bulkhead.experiment.draw", "bulkhead.figures.draw") in arrows


SAMPLE = {
    "__init__": "from bulkhead.cli import main\n",
    "base/__init__": "",
    "base/text": "import json\n",
    "model/__init__": "",
    "model/machine": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bulkhead.live.steer import Live\n",
    "live/__init__": "",
    "live/steer": "from bulkhead.model import machine\nfrom bulkhead import _core\n",
    "figures/__init__": "",
    "figures/draw": "import matplotlib\nfrom bulkhead.base.text import words\n",
    "cli/__init__": "def main():\n    import matplotlib.figure\n    from bulkhead.figures.draw import draw\n",
}


def write(folder, changes):
    root = folder / PACKAGE
    for name, text in {**SAMPLE, **changes}.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_checker_allows_what_the_rules_allow(tmp_path):
    assert violations(write(tmp_path, {})) == []


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"base/text": "from bulkhead.model import machine\n"}, "to its right"),
        ({"base/text": "import bulkhead.live.steer\n"}, "to its right"),
        ({"base/text": "from ..cli import main\n"}, "to its right"),
        ({"base/text": "from bulkhead import Machine\n"}, "to its right"),
        ({"base/text": "def f():\n    from bulkhead.base import x\n"}, "inside of a function"),
        ({"base/text": "class A:\n    def f(self):\n        import json\n"}, "inside of a function"),
        ({"cli/run": "def f():\n    from bulkhead.live.steer import Live\n"}, "inside of a function"),
        (
            {"base/text": "import typing\nif typing.TYPE_CHECKING:\n    from bulkhead.base import a\n"},
            "annotations",
        ),
        ({"base/a": "from bulkhead.base import b\n", "base/b": "from bulkhead.base import a\n"}, "circle"),
        (
            {
                "base/a": "import bulkhead.base.b\n",
                "base/b": "from . import c\n",
                "base/c": "from .a import x\n",
            },
            "circle: bulkhead.base.a, bulkhead.base.b, bulkhead.base.c",
        ),
        ({"base/a": "try:\n    from bulkhead.base import a\nexcept ImportError:\n    pass\n"}, "circle"),
        ({"stray": ""}, "bulkhead.stray is in no layer"),
    ],
)
def test_the_checker_finds_what_breaks_them(tmp_path, changes, told):
    found = violations(write(tmp_path, changes))
    assert len(found) >= 1 and any(told in line for line in found), found


def test_a_public_name_is_that_of_one_class_only():
    defined: dict[str, list[str]] = {}
    for name, path in modules(SOURCE).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                defined.setdefault(node.name, []).append(name)
    public = [name for name in bulkhead.__all__ if isinstance(getattr(bulkhead, name), type)]
    assert {name: defined[name] for name in public if len(defined.get(name, [])) > 1} == {}
    assert len({id(getattr(bulkhead, name)) for name in bulkhead.__all__}) == len(bulkhead.__all__)
