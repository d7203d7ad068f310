"""The documents keep the house rules for prose, and every file, link and command that they name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import words

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_RUNS = {"results/runs/", "tests/fresh/passed"}


def tracked(*patterns: str) -> list[str]:
    """Files that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


DOCUMENTS = [ROOT / name for name in tracked("*.md")]
FOLDERS = {name.split("/")[0] for name in tracked() if "/" in name}
SCRIPT = (ROOT / "bulkhead").read_text(encoding="utf-8")
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def command_names() -> set[str]:
    """What `./bulkhead` understands."""
    table = re.search(r"^COMMANDS = \((.*?)^\)", SCRIPT, re.MULTILINE | re.DOTALL)
    assert table is not None
    return set(re.findall(r'"(\w+)"', table.group(1)))


def test_there_are_documents() -> None:
    assert ROOT / "README.md" in DOCUMENTS and {"demo", "test"} <= command_names() and "sched" in FOLDERS


@each_document
def test_sentences_keep_the_rules(path: Path) -> None:
    found = words.faults(path.read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


@each_document
def test_links_and_images_resolve(path: Path) -> None:
    for target in words.links(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{target}: there is no such file"
        if anchor:
            assert anchor in words.anchors(file.read_text(encoding="utf-8")), f"{target}: no such heading"


@each_document
def test_paths_exist(path: Path) -> None:
    named = words.paths(path.read_text(encoding="utf-8"), FOLDERS | {"host"})
    missing = [
        name for name in named if name not in MADE_BY_RUNS and not (ROOT / name.rstrip(".,;:")).exists()
    ]
    assert not missing


@each_document
def test_commands_and_experiments_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(words.commands(text)) <= command_names()
    assert set(words.experiments(text)) <= {file.stem for file in (ROOT / "experiments").glob("*.py")}


def test_the_first_policy_is_what_the_command_writes() -> None:
    code = re.search(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None and code.group(1).count("push_back") == 2
    assert code.group(1) in (ROOT / "sched" / "round_robin.cpp").read_text(encoding="utf-8")


LONG = "A vCPU " + "that waits " * 20 + "runs."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LONG, "words: A vCPU"),
        ("- An item.\n- " + LONG, "words: A vCPU"),
        ("This sentence, " + "which goes on " * 9 + "ends.", "on average"),
        ("A dropped frame is no error.", "is not a"),
        ("Notes are no errors.", "is not a"),
        ("There is a policy that waits.", "name the subject"),
        ("Here is what was seen.", "measured"),
        ("Whoever waits is served.", "whoever"),
        ("A vCPU waits; who gave up pays.", "name the subject"),
        ("A guest who yields early may run again.", "who does X may Y"),
        ("What runs is billed.", "begins with"),
        ("Who wakes runs.", "begins with"),
        ("| rule | text |\n| --- | --- |\n| one | whoever waits |", "whoever"),
        ("The longest stretch is measured.", "non-preemptible section"),
        ("A victim and its company run.", "co-runners"),
        ("The incumbent goes on.", "active policy"),
        ("Neglect is found.", "starvation monitor"),
        ("# Which time is whose\n", "a title names its subject"),
        ("## Doing it again\n", "a title names its subject"),
        ("## Write one\n", "a title names its subject"),
    ],
)
def test_a_fault_is_found(text: str, fault: str) -> None:
    assert any(fault in line for line in words.faults(text)), words.faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "What does a guest see? It is no longer paused. Zhou et al. measured it.",
        f"```\n{LONG}\nWhoever waits.\n```\n",
        f"To run:\n\n    {LONG} whoever\n\nA page says the rest.",
        f"| a | b |\n| --- | --- |\n| {LONG} | x |",
        "A vCPU waits, see `the longest stretch of company` and [a page](is_no.md).",
        "# Time accounting rules\n\nThe subject is a noun.",
    ],
)
def test_good_prose_and_code_pass(text: str) -> None:
    assert words.faults(text) == []


def test_sentences_are_told_apart() -> None:
    text = "# Title\n\nOne vCPU runs.\nAnother waits: `a. B` is code. See [the\nguide](x.md).\n\n- An item\n  goes on.\n1. Last."
    assert [sentence.text for sentence in words.sentences(text)] == [
        "Title",
        "One vCPU runs.",
        "Another waits: Code is code.",
        "See the guide.",
        "An item goes on.",
        "Last.",
    ]


def test_names_are_found_where_they_stand() -> None:
    text = (
        "See [a](b.md#c), ![d](e.png), `[f](g.md)` and `sched/x.cpp --fast`, `sched/NAME.cpp`, `sched/my_x.cpp`.\n"
        '<img src="h.png">\n\n    ./bulkhead run weights\n    ./bulkhead fly\n    ./bulkhead run my_own\n'
    )
    assert words.links(text) == ["b.md#c", "e.png", "h.png"]
    assert words.paths(text, {"sched"}) == ["sched/x.cpp"]
    assert words.commands(text) == ["run", "fly", "run"] and words.experiments(text) == ["weights"]
    assert words.anchors("# How? A `b`\n## See also\n") == {"how-a-b", "see-also"}
