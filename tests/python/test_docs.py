"""The guides' examples are real: an experiment that can be planned, policies that run."""

import re
import sys
from pathlib import Path
from typing import Any

import bulkhead
import pytest
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.model.storage import save

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE, POLICIES = DOCS / "experiments.md", DOCS / "writing-a-policy.md"
API = DOCS / "api.md"


def test_the_example_of_the_guide_can_be_planned(tmp_path):
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "my_experiment.py").write_text(code.group(1))
    experiment = find("my_experiment", tmp_path)
    points = make_plan(experiment, True).points
    assert [experiment.machine(point).guests[0].name for point in points] == ["victim", "victim"]


def test_the_policies_of_the_guide_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", POLICIES.read_text(), re.DOTALL)
    assert len(blocks) == 4  # one for each kind, and the machine
    world: dict[str, Any] = {}
    for block in blocks:
        exec(block, world)
    run, machine = world["run"], world["machine"]
    assert [(p.kind, p.name, p.ejected) for p in run.landmark.policies] == [
        ("scheduler", "longest_wait_first", None),
        ("memory", "equal_parts", None),
        ("ring", "shortest_first", None),
    ]
    assert run.landmark.policies[0].parameters == {"slice": 2_000}
    assert {1, 2} <= set(run.select("ring_complete")["domain"]) and len(run.select("memory_target")) >= 3
    assert run.trace_sha256 == machine.run(backend="sim").trace_sha256


def test_the_page_of_the_api_lists_every_public_name_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", API.read_text(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(bulkhead.__all__)
    assert all(len(text) > 10 for _, text in rows)
    assert all(hasattr(bulkhead, name) for name in bulkhead.__all__)


def test_the_first_steps_in_python_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    world: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL):
        exec(block, world)
    shown = capsys.readouterr().out.splitlines()
    printed = str(world["run"]).splitlines()
    assert len(printed) <= 10 and shown[: len(printed)] == printed
    assert float(shown[len(printed)]) == pytest.approx(0.1, abs=0.03)
    assert shown[len(printed) + 1].startswith("victim.0 waited ")
    assert world["machine"].sched == bulkhead.Policy("credit", {"round": 5000})


def test_the_gantt_of_the_guide_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guests = (bulkhead.Guest("hog", "workload:cpu_hog", memory=4 << 20),)
    run = bulkhead.Machine(guests=guests, duration=100_000_000).run(backend="sim")
    save(run, tmp_path / "out" / "boot")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "study.md").read_text(), re.DOTALL)
    world: dict[str, Any] = {}
    exec(block, world)
    assert world["figure"].axes[0].get_xlim() == pytest.approx((50, 80))
