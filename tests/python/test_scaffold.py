"""`bulkhead new`: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkhead.base.errors import SpecError
from bulkhead.cli.new import new
from bulkhead.policy import scaffold as module
from bulkhead.policy.scaffold import EXAMPLES, scaffold


def test_the_new_file_is_the_example_under_another_name(tmp_path: Path) -> None:
    path = scaffold("scheduler", "my_own2", tmp_path / "new")
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "new" / "my_own2.cpp"
    assert "class MyOwn2 : public sched::Policy" in text
    assert "BULKHEAD_SCHEDULER(MyOwn2)" in text
    assert '.name = "my_own2"' in text
    assert text.startswith("// my_own2: ")
    assert "RoundRobin" not in text and "round_robin" not in text


@pytest.mark.parametrize("name", ["", "Mine", "2nd", "a-b", "a__b", "_a", "a_", "../a", "x" * 32])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="is not a valid name"):
        scaffold("scheduler", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="already"):
        scaffold("scheduler", "credit", tmp_path)
    scaffold("scheduler", "mine", tmp_path)
    with pytest.raises(SpecError, match="already"):
        scaffold("scheduler", "mine", tmp_path)


@pytest.mark.parametrize(("kind", "base"), [("memory", "memctl"), ("ring", "ringctl"), ("sched", "sched")])
def test_a_kind_has_the_name_of_its_list_and_of_its_option(tmp_path: Path, kind: str, base: str) -> None:
    assert new(kind, "mine", tmp_path) == 0
    assert f"class Mine : public {base}::Policy" in (tmp_path / "mine.cpp").read_text(encoding="utf-8")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="new: unknown kind 'memories'"):
        new("memories", "mine", tmp_path)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_second_new_one_is_no_copy_of_the_first(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = EXAMPLES[kind]
    (tmp_path / example.folder).mkdir()
    text = example.source.read_text(encoding="utf-8")
    (tmp_path / example.folder / example.source.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    short = f'#include "{example.folder}/contract.hpp"\n// The user\'s own.\n'
    (tmp_path / example.folder / "first.cpp").write_text(short, encoding="utf-8")
    second = scaffold(kind, "second").read_text(encoding="utf-8")
    assert '.name = "second"' in second and "The user's own" not in second


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_the_examples_are_whole_policies_of_a_hundred_lines(kind: str) -> None:
    example = EXAMPLES[kind]
    text = example.source.read_text(encoding="utf-8")
    assert f'#include "{example.folder}/contract.hpp"' in text and len(text.splitlines()) <= 100
