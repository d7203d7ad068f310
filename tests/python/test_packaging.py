"""The Debian package and the wheel: what they say they need, and what of the checkout they hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bootstrap.packages import BASE, PACKAGES
from bulkhead.base import paths

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

import stage  # noqa: E402

CONTROL = (ROOT / "debian" / "control").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", ["Build-Depends", "Depends"])
def test_the_package_needs_what_every_command_needs(field: str) -> None:
    row = re.search(rf"^{field}: (.*)$", CONTROL, re.MULTILINE)
    assert row is not None
    named = {word.split()[0] for word in row[1].split(", ")}
    assert named >= {package.name for package in PACKAGES if BASE in package.groups}


def test_package_and_wheel_have_one_version() -> None:
    changelog = (ROOT / "debian" / "changelog").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    debian, wheel = re.search(r"\((.*?)\)", changelog), re.search(r'^version = "(.*)"', project, re.MULTILINE)
    assert debian is not None and wheel is not None and debian[1] == wheel[1]


def test_what_the_command_opens_is_installed() -> None:
    """Every file that bulkhead.base.paths names, except the images of the tests."""
    installed = {ROOT / name for name in stage.products()}
    opened = [paths.hypervisor_image(), paths.dom0_image(), paths.workload_image(), paths.primitives_image()]
    opened += [paths.bare_workload_image("die_first"), *paths.linux_programs()]
    opened += [policy for folder in paths.plugin_dirs().values() for policy in folder.glob("*.so")]
    assert [path for path in opened if path not in installed] == []


def test_the_installed_command_works_and_states_its_commit(tmp_path: Path) -> None:
    files = stage.stage(tmp_path)
    tree = tmp_path / stage.TREE
    assert Path("bin/bulkhead") in files and Path("bin/bulkhead-plugin") in files
    assert not (tree / "tests").exists() and (tree / "experiments" / "weights.py").exists()
    words = [tmp_path / "bin" / "bulkhead", "run", "weights", "--quick", "--backend", "sim"]
    done = subprocess.run([*words, "--set", "sched=credit"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "weights" / "weights.json").read_text(encoding="utf-8"))
    assert result["versions"]["commit"] == stage.commit()
    assert not (tree / "out").exists(), "results go below the current folder"


def test_python_finds_the_installed_tree() -> None:
    """The line of the .pth file is relative to dist-packages, in Debian's scheme and in pip's."""
    lines = (ROOT / "packaging" / "bulkhead.pth").read_text(encoding="ascii").split()
    for folder in ("/usr/lib/python3/dist-packages", "/venv/lib/python3.11/site-packages"):
        lib = Path(folder).parents[1]
        assert [Path(folder, line).resolve() for line in lines] == [
            lib / "bulkhead/bindings",
            lib / "bulkhead",
        ]
