"""What a sweep, a point that was left out and an ejected policy look like: an axis, a sentence, a cross."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead.cli import run as command
from bulkhead.experiment.draw import declared
from bulkhead.experiment.runner import Outcome, RunRequest
from bulkhead.figures import Bars, Lines
from bulkhead.figures.caption import caption
from bulkhead.figures.draw import figure_of
from bulkhead.figures.lines import EJECTED, MOST_MARKERS
from bulkhead.figures.swept import over_swept
from bulkhead.result import Result, lookup, read_result
from bulkhead.result.model import UnknownMetric
from test_figures import result_file

SWEEP = ("sched=round_robin,credit", "hogs=0,1", "victim=compute")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("swept")
    return read_result(result_file("noisy_neighbour", out, *SWEEP, "seed=1..50"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return read_result(result_file("noisy_neighbour", tmp_path_factory.mktemp("plain"), *SWEEP))


def test_the_swept_setting_is_the_axis_with_a_panel_for_each_level(swept: Result) -> None:
    (spec,) = declared(swept)
    assert (
        isinstance(spec, Lines)
        and spec.x == "seed"
        and spec.x_label == "seed of the machine and of every policy"
    )
    shown = [panel for panel in spec.panels if swept.where(panel.where)]
    assert [panel.where["hogs"] for panel in shown] == [0, 1] and shown[0].title.endswith(", hogs 0")
    axes = [one for one in figure_of(spec, swept).axes if one.lines]
    assert len(axes) == 2
    for one in axes:
        lines = [line for line in one.lines if len(line.get_xdata()) == 50]
        assert len(lines) >= 2 and all(
            len(set(line.get_xdata())) == 50 for line in lines
        ), "one marker on each x"
        assert len(one.get_xticks()) <= 50 and 50 > MOST_MARKERS
    assert len(axes[-1].get_xticks()) < 30, "labels would touch"


def test_other_figures_show_the_last_level_and_say_so(swept: Result, plain: Result) -> None:
    bars = Bars("b", "Bars.", "sched", (("throughput", "t"),), declared(plain)[0].panels[1].quantity)  # type: ignore[union-attr]

    found = over_swept(bars, swept, ["seed"])
    assert (
        isinstance(found, Bars) and found.where == {"seed": 50} and found.caption == "Bars. All at seed 50."
    )
    assert over_swept(bars, plain, []) is bars


def test_a_point_that_was_left_out_is_in_the_caption_with_its_reason(plain: Result) -> None:
    (spec,) = declared(plain)
    result = replace(plain, left_out={"a=1": "no model of it", "a=2": "no model of it"})
    assert "Left out: 2 points (no model of it)." in caption(spec, result)
    assert "Left out" not in caption(spec, plain)


def test_the_caption_gives_the_length_of_a_run_and_not_of_its_pcpus(plain: Result) -> None:
    (spec,) = declared(plain)
    four = [
        replace(point, ledger=replace(point.ledger, wall_ns=4 * point.ledger.wall_ns))
        for point in plain.points
    ]
    assert caption(spec, replace(plain, points=four)) == caption(spec, plain)
    assert "100\u00a0ms of virtual time" in caption(spec, plain)


def test_the_points_of_an_ejected_policy_are_crosses(plain: Result) -> None:
    (spec,) = declared(plain)
    chosen = [
        point for point in plain.points if point.levels["sched"] == "credit" and point.levels["hogs"] == 1
    ]
    gone = [
        replace(point, policies=[replace(point.policies[0], ejected="trapped", hook="pick")])
        if point in chosen
        else point
        for point in plain.points
    ]
    result = replace(plain, points=gone)
    assert "At 1 of 4 points the policy was ejected (credit): crosses." in caption(spec, result)

    def marks(result: Result) -> tuple[int, int]:
        figure = figure_of(spec, result)
        lines = [line for axes in figure.axes for line in axes.lines if line.get_zorder() == 3]
        crosses = sum(len(line.get_xdata()) for line in lines if line.get_marker() == "x")
        return crosses, sum(len(line.get_xdata()) for line in lines) - crosses

    (none, all_points), (crosses, others) = marks(plain), marks(result)
    assert none == 0 and crosses == 1 and others == all_points - 1
    labels = [text.get_text() for legend in figure_of(spec, result).legends for text in legend.get_texts()]
    assert EJECTED in labels


def test_a_path_without_a_number_is_named_with_a_suggestion(plain: Result) -> None:
    metrics = {"latency": {"p99": 3, "p50": 1}}
    with pytest.raises(UnknownMetric, match="unknown metric latency.p98; did you mean 'p99'"):
        lookup(metrics, "latency.p98")


def test_a_table_longer_than_a_screen_goes_to_a_file(
    swept: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "run_experiment", lambda request: Outcome(swept, tmp_path, (), None, ()))
    assert command._carry_out(RunRequest("noisy_neighbour", out=tmp_path), "again") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == command.SHOWN_LINES + 1 and shown[-1].endswith("noisy_neighbour-table.txt")
    assert len((tmp_path / "noisy_neighbour-table.txt").read_text().splitlines()) > 200
