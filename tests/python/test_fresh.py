"""The test of a fresh machine, without a machine: what it concludes, when it is due, and what it says without a mirror."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.packages import LAYERS

FOLDER = Path(__file__).resolve().parents[1] / "fresh"
sys.path.insert(0, str(FOLDER))

import inputs  # noqa: E402
import mirror  # noqa: E402
import root  # noqa: E402
import run  # noqa: E402

TARGETS = """http://deb.example/debian/ bookworm main Debian
http://deb.example/debian/ bookworm contrib Debian
http://deb.example/security/ bookworm-security main Debian
https://elsewhere.example/ bookworm main Elsewhere
https://elsewhere.example/ nodistro main Elsewhere
"""


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


@pytest.fixture()
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer whose apt has the sources above and a proxy; a folder of its PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "targets").write_text(TARGETS, encoding="ascii")
    script(tools, "apt-get", f"cat {tmp_path}/targets")
    proxy = "http://proxy.example:3128"
    script(
        tools,
        "apt-config",
        f'test "$1" = shell && echo "PROXY=\'{proxy}\'" && exit\necho \'Acquire::Retries "3";\'',
    )
    path = f"{tools}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(root, "PATH", path)
    monkeypatch.setattr(run, "FOLDER", tmp_path / "fresh")
    monkeypatch.setattr(run.os, "geteuid", lambda: 0)
    for name in mirror.PROXIES:
        monkeypatch.delenv(name, raising=False)
    return tools


def cases(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["name"]: (row["verdict"], row["detail"]) for row in rows}


def test_only_debian_itself_is_a_source(machine: Path) -> None:
    assert mirror.sources() == [
        ("http://deb.example/debian/", "bookworm"),
        ("http://deb.example/security/", "bookworm-security"),
    ]
    assert mirror.proxies() == {"http_proxy": "http://proxy.example:3128"}


def test_a_root_gets_the_sources_and_the_settings(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "etc/apt/apt.conf.d").mkdir(parents=True)
    mirror.configure(tmp_path)
    assert (tmp_path / "etc/apt/sources.list").read_text().splitlines() == [
        "deb http://deb.example/debian/ bookworm main",
        "deb http://deb.example/security/ bookworm-security main",
    ]
    assert (tmp_path / "etc/apt/apt.conf.d/90mirror").read_text() == 'Acquire::Retries "3";\n'
    assert (tmp_path / "etc/resolv.conf").exists() == Path("/etc/resolv.conf").exists()


def test_without_a_mirror_one_line_says_so(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(machine, "setpriv", "echo 'E: Failed getting release file http://deb.example/'; exit 1")
    assert run.main() == 1
    verdict, detail = cases(capsys)["a minimal Debian 12"]
    assert verdict == "failed" and "\n" not in detail
    assert detail.startswith("debootstrap cannot make Debian 12 from http://deb.example/debian/: E: Failed")
    assert not (run.FOLDER / "root").exists()


def test_without_a_source_one_line_says_so(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script(machine, "apt-get", "true")
    assert run.main() == 1
    assert "no source for Debian 12" in cases(capsys)["a minimal Debian 12"][1]


def test_without_root_one_line_says_what_to_type(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.os, "geteuid", lambda: 1000)
    assert run.main() == 1
    assert cases(capsys)["a minimal Debian 12"][1].endswith("sudo ./bulkhead test fresh")


class Pretending:
    """A root in which the commands say what they are told to say."""

    def __init__(self, checkout: Path, status: int, lines: list[str]) -> None:
        self.checkout, self._status, self._lines = checkout, status, lines

    def run(self, command: list[str], heard: Callable[[str], None]) -> int:
        for line in self._lines:
            heard(line + "\n")
        return self._status


def concluded(machine: Path, step: Callable[[run.Steps], None], status: int, lines: list[str]) -> run.Steps:
    run.FOLDER.mkdir()
    steps = run.Steps(Pretending(machine, status, lines))  # type: ignore[arg-type]
    step(steps)
    return steps


WHOLE = [f"{layer}: 7 passed, 0 failed, 1 skipped in 12 s" for layer in LAYERS]


def test_all_layers_whole_is_a_pass(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = concluded(machine, run.test, 0, WHOLE)
    assert not steps.failed and "test lint: 12 s" in steps.times
    assert set(cases(capsys)) == {"./bulkhead test", *(f"test {layer}" for layer in LAYERS)}


@pytest.mark.parametrize(
    "line", ("lint: 0 passed, 0 failed, 0 skipped in 0 s", "lint: 3 passed, 1 failed, 0 skipped in 3 s", "")
)
def test_a_layer_that_is_not_whole_fails(
    machine: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert concluded(machine, run.test, 0, [*WHOLE[:-1], line]).failed
    assert cases(capsys)["test lint"] == ("failed", line or "the layer was not run")


def test_a_command_that_fails_shows_its_last_lines(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded(machine, run.test, 2, ["Traceback", "E: no clang-tidy"]).failed
    assert cases(capsys)["./bulkhead test"] == ("failed", "exit status 2\nTraceback\nE: no clang-tidy")


def test_the_demo_leaves_a_figure(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded(machine, run.demo, 0, []).failed
    assert cases(capsys)["./bulkhead demo"][1] == "there is no figure below out/"
    (machine / "out").mkdir()
    (machine / "out" / "figure.png").touch()
    run.demo(steps := run.Steps(Pretending(machine, 0, [])))  # type: ignore[arg-type]
    assert not steps.failed


def test_a_run_is_due_exactly_when_the_set_up_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        for words in (("add", "-A"), (*identity, "commit", "-qm", "x")):
            subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
        return inputs.of_commit(tmp_path)

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "tests/fresh").mkdir(parents=True)
    monkeypatch.setattr(inputs, "RECORD", tmp_path / "tests/fresh/passed")
    first = commit("bindings/bootstrap/packages.py", "1")
    assert inputs.recorded() == ""
    inputs.record(first, ["on 2 processors"])
    assert inputs.recorded() == first
    assert commit("hv/x.cpp", "") == first  # and the record with it
    assert commit("tests/fresh/README.md", "words") == first
    assert commit("bindings/bootstrap/packages.py", "2") != first
    assert commit("bindings/bootstrap/packages.py", "1") == first
    assert commit("workloads/linux/images/new.toml", "") != first
