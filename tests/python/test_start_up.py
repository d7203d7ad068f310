"""What the command loads before it answers: the list of policies needs neither the command line's library nor a back end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import bulkhead
import pytest

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; sys.path[:0] = ['bindings', '.']; "


def python(code: str) -> str:
    words = ["/usr/bin/python3", "-c", START + code]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_list_of_policies_loads_little() -> None:
    code = "from bulkhead.cli import main; main(['list', 'policies']); print('LOADED', *sys.modules)"
    said, loaded = python(code).rsplit("LOADED ", 1)
    modules = set(loaded.split())
    assert "credit (scheduler): " in said and "     good at: " in said
    heavy = {
        "numpy",
        "typer",
        "click",
        "rich",
        "scipy",
        "matplotlib",
        "jinja2",
        "bulkhead.backend",
        "bulkhead.public",
    }
    assert modules & heavy == set() and len(modules) < 330


def test_the_list_is_the_same_by_either_way() -> None:
    quick = python("from bulkhead.cli import main; main(['list', 'policies'])")
    whole = python("from bulkhead.cli.application import carry_out; carry_out(['list', 'policies'])")
    assert quick == whole and quick in python("from bulkhead.cli import main; main(['list'])")


def test_public_names_come_with_their_first_use_and_back_ends_with_them() -> None:
    assert python(
        "from bulkhead.model.machine import Machine, REGISTRY; print(sorted(REGISTRY.backends))"
    ) == ("['qemu', 'sim']\n")
    assert python("from bulkhead import *; print(Machine.__name__, MIB)") == "Machine 1048576\n"
    assert python("import bulkhead; print(bulkhead.metrics.__name__)") == "bulkhead.metrics\n"
    with pytest.raises(AttributeError, match="has no attribute 'Machin'"):
        bulkhead.Machin  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words, status", ((["--help"], 0), (["fuzz", "--help"], 0), (["nonsense"], 2), ([], 0))
)
def test_a_checkout_that_is_not_built_answers_with_the_commands(
    words: list[str], status: int, tmp_path: Path
) -> None:
    """The packages may be there, and the module that says more is not built yet."""
    environment = {**os.environ, "BULKHEAD_BUILD": str(tmp_path)}
    result = subprocess.run([str(ROOT / "bulkhead"), *words], env=environment, capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    said = result.stderr if status else result.stdout
    assert said.startswith("usage: ./bulkhead {doctor,build,") and len(said.splitlines()) == 1
