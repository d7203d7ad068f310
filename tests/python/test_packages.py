"""Set-up: what is missing is named with its reason, and without root one line says what to run. Nothing is installed here."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bootstrap import packages
from bulkhead.testing import LAYERS

ROOT = Path(__file__).resolve().parents[2]


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture()
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where dpkg knows only g++, and where apt-get writes down what it was asked."""
    tool(tmp_path, "dpkg-query", "echo 'installed g++:amd64'")
    tool(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_the_table_names_each_package_once() -> None:
    names = [package.name for package in packages.PACKAGES]
    assert len(names) == len(set(names))
    assert all(package.why and package.groups for package in packages.PACKAGES)
    groups = {group for package in packages.PACKAGES for group in package.groups}
    assert groups <= {packages.BASE, "perf", "trace", *LAYERS}


def test_each_tool_has_one_package() -> None:
    tools = [tool for package in packages.PACKAGES for tool in package.tools]
    assert len(tools) == len(set(tools))


def test_the_layers_are_those_that_run() -> None:
    assert set(LAYERS) == {*packages.LAYERS, packages.FRESH}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_needs_its_own_packages(layer: str) -> None:
    assert packages.needed_groups(["test", layer]) == {"base", layer}


@pytest.mark.parametrize(
    ("words", "groups"),
    (
        ("test", {"base", *packages.LAYERS}),
        ("test lint unit", {"base", "lint", "unit"}),
        ("test --x", {"base"}),
        ("test unti", {"base"}),
        ("demo", {"base"}),
        ("run lint", {"base"}),
        ("perf sim lint", {"base", "perf"}),
    ),
)
def test_groups_of_a_command_line(words: str, groups: set[str]) -> None:
    assert packages.needed_groups(words.split()) == groups


def test_the_second_command_of_the_readme_installs_the_checkers() -> None:
    """`./bulkhead test` once took its own name for a layer, and ended in the lint layer for want of clang-tidy."""
    groups = packages.needed_groups(["test"])
    wanted = {package.name for package in packages.PACKAGES if groups.intersection(package.groups)}
    assert {"clang-tidy-19", "libclang-rt-19-dev", "mypy", "make", "procps"} <= wanted


def test_missing_packages(fresh: Path) -> None:
    lacking = [package.name for package in packages.missing({"base"})]
    assert "qemu-system-x86" in lacking and "g++" not in lacking and "cppcheck" not in lacking


def test_without_root_the_line_to_run(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_root_prefix", lambda: None)
    with pytest.raises(
        packages.SetupError, match="sudo apt-get update && sudo apt-get install -y .*qemu-system-x86"
    ):
        packages.ensure({"base"})
    assert not (fresh / "asked").exists()


def test_with_root_apt_is_asked_once(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "_root_prefix", lambda: [])
    monkeypatch.setattr(packages, "_lists_stale", lambda: True)
    with pytest.raises(packages.SetupError, match="still missing after the installation"):
        packages.ensure({"base"})
    asked = (fresh / "asked").read_text(encoding="ascii").splitlines()
    assert asked[0].endswith("update") and "install --no-install-recommends" in asked[1] and len(asked) == 2
    assert "the machine that runs the hypervisor" in capsys.readouterr().err


def test_a_failed_installation_says_why(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(fresh, "apt-get", "echo 'E: no network' >&2; exit 100")
    monkeypatch.setattr(packages, "_root_prefix", lambda: [])
    with pytest.raises(packages.SetupError, match="E: no network"):
        packages.ensure({"base"})


def test_nothing_but_the_standard_library_before_set_up(tmp_path: Path) -> None:
    """`doctor` and the set-up's message work in a python3 that sees no installed package."""
    tool(tmp_path, "dpkg-query", "true")
    tool(tmp_path, "sudo", "exit 1")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["/usr/bin/python3", "-S", str(ROOT / "bulkhead"), "doctor"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    assert "missing: qemu-system-x86" in result.stdout and "sudo apt-get update" in result.stdout
