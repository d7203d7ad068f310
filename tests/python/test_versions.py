"""What a run says it was made from: a commit, and whether what was there differs from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bulkhead.backend import versions as module


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit with a policy and a rule what to ignore, which is where versions are looked up."""
    (tmp_path / "sched").mkdir()
    (tmp_path / "sched" / "known.cpp").write_text("// a policy\n")
    (tmp_path / ".gitignore").write_text("build/\n*.pyc\n")
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "_git", module._git.__wrapped__)
    return tmp_path


def dirty() -> bool:
    """As a run would say it now."""
    return module.versions.__wrapped__(module.NO_QEMU).dirty


def test_a_clean_checkout_is_clean(repository: Path) -> None:
    assert not dirty()


@pytest.mark.parametrize("folder", module.MADE_OF)
def test_a_new_file_that_runs_are_made_of_counts(repository: Path, folder: str) -> None:
    (repository / folder / "deep").mkdir(parents=True)
    (repository / folder / "deep" / "new.cpp").write_text("// mine\n")
    assert dirty()


def test_other_new_files_and_ignored_ones_do_not(repository: Path) -> None:
    (repository / "out").mkdir()
    (repository / "out" / "result.json").write_text("{}")
    (repository / "sched" / "build").mkdir()
    (repository / "sched" / "build" / "known.so").write_text("")
    (repository / "sched" / "known.pyc").write_text("")
    assert not dirty()


def test_a_changed_file_counts_wherever_it_is(repository: Path) -> None:
    (repository / ".gitignore").write_text("")
    assert dirty()
