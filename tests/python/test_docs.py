"""The guide's example is a real experiment."""

import re
from pathlib import Path

from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "experiments.md"


def test_the_example_of_the_guide_can_be_planned(tmp_path):
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "my_experiment.py").write_text(code.group(1))
    experiment = find("my_experiment", tmp_path)
    points = make_plan(experiment, True).points
    assert [experiment.machine(point).guests[0].name for point in points] == ["victim", "victim"]
