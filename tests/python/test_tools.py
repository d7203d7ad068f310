"""A missing tool is one line that names it, its package and the command that installs it; never a traceback."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bootstrap import packages, tools
from bulkhead import testing
from bulkhead.cli import main
from bulkhead.testing.case import FAILED, command_case
from bulkhead.testing.fuzz import parse_fuzzers
from bulkhead.testing.lint import lint

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = [(tool, p) for p in packages.PACKAGES for tool in p.tools if tool not in tools.MODULES]
GROUP_OF_ALL = {group for package in packages.PACKAGES for group in package.groups}


def script(folder: Path, name: str, text: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


@pytest.fixture()
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH. It has every program that a package brings; dpkg knows no package."""
    for tool, _ in PROGRAMS:
        script(tmp_path, tool)
    script(tmp_path, "dpkg-query")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("tool", "package"), PROGRAMS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_missing_program_is_one_line(path: Path, tool: str, package: packages.Package) -> None:
    assert tools.lacking(GROUP_OF_ALL) == []
    (path / tool).unlink()
    (line,) = tools.lacking(GROUP_OF_ALL)
    group = package.groups[0]
    command = "build" if group == "base" else group if group in ("perf", "trace") else f"test {group}"
    assert line.startswith(
        f"{tool} is missing: ./bulkhead {command} installs its package {package.name}; or: sudo apt-get"
    )
    with pytest.raises(packages.SetupError, match=f"^{tool.replace('+', '.')} is missing"):
        tools.require(set(package.groups))


def test_a_program_that_its_package_did_not_bring(path: Path) -> None:
    script(path, "dpkg-query", "echo installed black")
    (path / "black").unlink()
    assert tools.lack("black") == (
        "black is not on PATH though its package black is installed; mend PATH or run: "
        "sudo apt-get install --reinstall black"
    )


def test_a_missing_module(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    assert [line.split()[0] for line in tools.lacking({"unit"})] == [
        "pytest",
        "hypothesis",
        "google.protobuf",
    ]


def test_a_tool_of_no_package_is_a_mistake_here() -> None:
    with pytest.raises(KeyError, match="bootstrap/packages.py"):
        tools.lack("sh")


@pytest.mark.parametrize("layer", packages.LAYERS)
def test_a_layer_does_not_start_without_its_tools(path: Path, layer: str) -> None:
    """The whole command: one line on standard error, before any test has run."""
    tool = {"lint": "clang-tidy-19", "fuzz": "clang++-19", "system": "pgrep", "unit": "cpio"}.get(
        layer, "ctest"
    )
    script(path, "dpkg-query", 'shift 3; for name in "$@"; do echo "installed $name"; done')
    (path / tool).unlink()
    environment = {"PATH": str(path), "BULKHEAD_NO_BUILD": "1", "HOME": os.environ.get("HOME", "/")}
    command = ["/usr/bin/python3", str(ROOT / "bulkhead"), "test", layer]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"bulkhead: {tool} is not on PATH") and result.stderr.count("\n") == 1


def test_checks_without_their_tools_each_fail_in_one_line(path: Path) -> None:
    """git is there; every other tool of the layer vanished after the layer had started."""
    for tool, _ in PROGRAMS:
        (path / tool).unlink()
    (path / "git").symlink_to("/usr/bin/git")
    cases = {case.name: case for case in lint() if case.name != "the core is blind to policy"}
    assert cases.pop("clang builds without a warning").detail.startswith(
        ("cmake is missing", "ninja is missing")
    )
    tools_of = {"clang-format": "clang-format-19", "clang-tidy": "clang-tidy-19"}
    for name in ("clang-format", "black", "flake8", "mypy", "shellcheck", "cppcheck", "clang-tidy"):
        assert cases[name].verdict == FAILED
        assert cases[name].detail.startswith(
            f"{tools_of.get(name, name)} is missing: ./bulkhead test lint installs"
        )
        assert "\n" not in cases[name].detail


def test_a_tool_that_vanishes_ends_a_layer_in_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def layer() -> list[testing.Case]:
        raise FileNotFoundError(2, "No such file or directory", "ctest")

    (path / "ctest").unlink()
    monkeypatch.setitem(testing.LAYERS, "unit", layer)
    (case,) = testing._run("unit")
    assert case.verdict == FAILED and case.detail.startswith(
        "ctest is missing: ./bulkhead build installs its package cmake"
    )


def test_an_unknown_program_is_named(path: Path) -> None:
    assert command_case("x", ["no-such-program"]).detail == "no-such-program: file or program not found"


def test_any_command_without_qemu(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path / "qemu-system-x86_64").unlink()
    assert main(["boot", "--guest", "kernel=workload:cpu_hog", "--for", "1ms"]) != 0
    said = capsys.readouterr().err
    assert (
        said.startswith("bulkhead: qemu-system-x86_64 is missing: ./bulkhead build installs")
        and said.count("\n") == 1
    )


def test_fuzzers_are_told_from_replays_and_share_the_time(tmp_path: Path) -> None:
    listing = json.dumps(
        {
            "tests": [
                {
                    "name": "grant_fuzz",
                    "command": ["/b/grant_fuzz", "-max_total_time=6", "/b/corpus", "/s/seeds"],
                },
                {"name": "grant_replay", "command": ["/b/grant_replay"]},
                {"name": "not_built"},
            ]
        }
    )
    fuzzers = parse_fuzzers(listing)
    assert list(fuzzers) == ["grant_fuzz"]
    command = fuzzers["grant_fuzz"].command(30, tmp_path)
    assert command[0] == "/b/grant_fuzz" and "-max_total_time=30" in command
    assert command[-3:] == [str(tmp_path / "grant_fuzz"), "/b/corpus", "/s/seeds"]
    assert (tmp_path / "grant_fuzz").is_dir(), "the corpus stays"
