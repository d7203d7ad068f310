"""The reference results are whole, exact and drawn as their experiments declare."""

from pathlib import Path

import pytest
from bulkhead.experiment.draw import draw_figures
from bulkhead.experiment.find import find
from bulkhead.result import read_result

FOLDER = Path(__file__).resolve().parents[2] / "results"
FILES = sorted(FOLDER.glob("*.json"))


def test_there_are_some():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_is_whole_and_was_made_from_a_commit(path):
    result = read_result(path)
    experiment = find(result.experiment)
    assert path.stem == experiment.name
    assert result.reproducible and not result.quick and not result.versions.dirty
    assert all(
        " ignores weights, " in warning or " add up to " in warning for warning in result.warnings
    ), "policies without weights are compared, and loads that do not fit"
    assert set(result.factors) == {factor.name for factor in experiment.factors}
    for point in result.points:
        assert point.ledger.skew_ns == 0 and point.ledger.domain_skew_ns == 0
        if point.levels.get("billing") != "to nobody":  # which is what that level asks for
            assert point.ledger.unbilled_share < 0.02


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_figures_can_be_drawn_again_and_are_kept(path, tmp_path):
    for drawn in draw_figures(path, tmp_path):
        assert (FOLDER / drawn.name).is_file()
