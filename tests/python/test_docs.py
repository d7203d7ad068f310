"""The guides' examples are real: an experiment that can be planned, policies that run."""

import re
from pathlib import Path
from typing import Any

import bulkhead
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan

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
