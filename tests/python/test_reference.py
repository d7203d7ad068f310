"""The reference results are whole, exact and drawn as their experiments declare."""

from pathlib import Path

import pytest
from bulkhead.base.plain import to_plain
from bulkhead.experiment.draw import draw_figures
from bulkhead.experiment.find import find
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result import read_result

FOLDER = Path(__file__).resolve().parents[2] / "results"
FILES = sorted(FOLDER.glob("*.json"))
SIMULATED = {  # what of them is made again: all that a few seconds allow
    "io_isolation": (),
}


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
        assert point.ledger.unbilled_share < 0.02


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_figures_can_be_drawn_again_and_are_kept(path, tmp_path):
    for drawn in draw_figures(path, tmp_path):
        assert (FOLDER / drawn.name).is_file()


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_what_the_simulator_gave_it_gives_again_to_the_last_bit(name, tmp_path):
    reference = read_result(FOLDER / f"{name}.json")
    request = RunRequest(name, False, SIMULATED[name], backend="sim", out=tmp_path, samples=reference.samples)
    made = run_experiment(request).result
    assert made.settings == reference.settings and made.points
    differing = []
    for point in made.points:
        kept = reference.where(point.levels)
        if [to_plain(point)] != [to_plain(other) for other in kept]:
            differing.append(point.levels)
    assert differing == [], f"these points are not those of results/{name}.json; is it to be made again?"
