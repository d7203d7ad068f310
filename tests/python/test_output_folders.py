"""A folder that cannot be written, and a checkout of somebody else: said in one line, before any work."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bootstrap import build as building
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import output_folder
from bulkhead.cli import main
from bulkhead.model import storage

NOBODY = 65534
HOG = ("--backend", "sim", "--guest", "kernel=workload:cpu_hog,mem=4M", "--mem", "128M", "--for", "5ms")


def as_nobody(what: Callable[[], object]) -> str:
    """What is raised, as text, where this process is an ordinary user."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            text = repr(what())
        except Exception as error:  # what the test is about
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


def show(folder: Path) -> None:
    """Let everybody read it and all in it, whatever this user's umask is."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


@pytest.fixture
def seen() -> Iterator[Path]:
    """A folder that every user can look into."""
    with tempfile.TemporaryDirectory() as name:
        show(Path(name))
        yield Path(name)


def test_a_folder_without_permission_is_refused_before_any_work(seen: Path) -> None:
    locked = seen / "locked"
    locked.mkdir(mode=0o555)
    said = as_nobody(lambda: output_folder(locked))
    assert said.startswith("BulkheadError: --out ") and "locked: this user cannot write there" in said
    assert "Permission denied; choose another folder" in as_nobody(lambda: output_folder(locked / "deeper"))


@pytest.mark.parametrize(
    "words", [("boot", *HOG), ("run", "weights", "--backend", "sim", "--quick")], ids=["boot", "run"]
)
def test_a_file_in_the_way_is_one_line(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert main([*words, "--out", str(tmp_path / "taken")]) == 2
    assert (
        capsys.readouterr().err
        == f"bulkhead: --out {tmp_path}/taken: a file of that name is in the way; write a folder\n"
    )


def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / storage.SUMMARY).symlink_to("/dev/full")
    assert main(["boot", *HOG, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "bulkhead: No space left on device; make room, or choose a folder elsewhere with --out\n"
    )


def test_replay_of_a_folder_that_is_no_run_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in (None, "[]", "{}", '{"machine": 3}'):
        if content is not None:
            (tmp_path / storage.SUMMARY).write_text(content)
        assert main(["replay", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"bulkhead: {tmp_path} holds no run: ") and said.count("\n") == 1
        assert "Errno" not in said


def test_the_summary_of_boot_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    main(["boot", *HOG])
    shown = capsys.readouterr()
    assert "R_max" in shown.out and "R_max" not in shown.err


@pytest.fixture
def shared(seen: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout's build folder that only its owner can write."""
    folder = seen / "build" / "release"
    folder.mkdir(parents=True)
    show(seen)
    monkeypatch.setenv("BULKHEAD_BUILD", str(folder))
    return folder


def test_a_checkout_of_somebody_else_is_used_as_it_is(shared: Path) -> None:
    said = as_nobody(building.build)
    assert said.startswith("BuildError: this user cannot write ") and "BULKHEAD_BUILD=DIR" in said
    rule = "rule touch\n  command = touch $out\nbuild made: touch\n"
    (shared / "build.ninja").write_text(rule)
    before = sorted(shared.parent.iterdir())
    assert as_nobody(building.build) == "None"
    assert sorted(shared.parent.iterdir()) == before and not (shared / "made").exists()


@pytest.mark.skipif(shutil.which("ninja") is None, reason="no ninja")
def test_an_old_build_of_somebody_else_is_said_to_be_old(shared: Path) -> None:
    (shared / "build.ninja").write_text("rule touch\n  command = touch $out\nbuild made: touch\n")
    sources = shared.parents[1]  # this checkout may stand where nobody can look, below /root say
    shutil.copytree(Path(building.__file__).parent, sources / "bootstrap")
    show(sources)
    words = ["/usr/bin/python3", "-c", "from bootstrap.build import build; build()"]
    if os.geteuid() == 0:
        words = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *words]
    result = subprocess.run(words, cwd=sources, capture_output=True, text=True)
    assert result.returncode == 0 and "is older than the sources" in result.stderr, result.stderr
    subprocess.run(["ninja", "-C", str(shared)], check=True, capture_output=True)
    result = subprocess.run(words, cwd=sources, capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == "", result.stderr


def test_the_folder_is_made(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b").is_dir()
    with pytest.raises(BulkheadError, match="a file of that name is in the way"):
        (tmp_path / "file").write_text("")
        output_folder(tmp_path / "file" / "deeper")
