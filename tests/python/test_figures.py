"""Figures come from the result file alone, and the same file gives the same bytes."""

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from bulkhead.experiment.draw import draw_figures
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.progress import Silent
from bulkhead.experiment.stages import Capturing, analyse_stage, capture_stage
from bulkhead.figures import style
from bulkhead.figures.bars import draw_bars
from bulkhead.figures.lines import draw_lines
from bulkhead.result import read_result, write_result
from pretend import pretend

matplotlib.use("Agg")
POLICIES = ("round_robin", "credit", "credit_sampled", "stride", "eevdf")


def result_file(name, out, *sets):
    short = (
        "duration_ms=100",
        "warm_up_ms=20",
        *(("drain_ms=20",) if find(name).setting("drain_ms") else ()),
    )
    plan = make_plan(find(name), True, (*short, *sets), lambda kind: POLICIES)
    return analyse_stage(plan, out, capture_stage(plan, out, Capturing(), {"qemu": pretend}, Silent())).path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures")
    return {name: result_file(name, out) for name in ("noisy_neighbour", "theft_of_service")}


@pytest.mark.parametrize("name", ["noisy_neighbour", "theft_of_service"])
def test_the_same_file_gives_the_same_bytes(files, tmp_path, name):
    first, second = draw_figures(files[name], tmp_path / "a"), draw_figures(files[name], tmp_path / "b")
    assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_no_dates_in_the_files(files, tmp_path):
    for path in draw_figures(files["theft_of_service"], tmp_path):
        data = path.read_bytes()
        assert b"CreationDate" not in data and b"Software" not in data


def shown(axis, limits):
    """Labels of the ticks that are drawn."""
    return [tick.label1 for tick in axis.get_major_ticks() if limits[0] <= tick.get_loc() <= limits[1]]


def boxes(figure):
    """Where the texts of a figure lie, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        texts += [*shown(axes.xaxis, axes.get_xlim()), *shown(axes.yaxis, axes.get_ylim()), *axes.texts]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    renderer = canvas.get_renderer()
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts
        if text.get_text() and text.get_visible()
    ]


@pytest.mark.parametrize("sets", [(), ("sched=all",)])
@pytest.mark.parametrize(("name", "draw"), [("noisy_neighbour", draw_lines), ("theft_of_service", draw_bars)])
def test_no_text_overlaps_another_or_leaves_the_column(tmp_path, name, draw, sets):
    result = read_result(result_file(name, tmp_path, *sets))
    with matplotlib.rc_context(style.RC):
        figure = draw(find(name).figures[0], result)
        placed = boxes(figure)
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in placed:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    # A slanted box is too big.
    straight = [(text, box) for text, box in placed if text not in POLICIES or len(sets) == 0]
    for i, (text, box) in enumerate(straight):
        for other, there in straight[i + 1 :]:
            apart = box.x1 <= there.x0 or there.x1 <= box.x0 or box.y1 <= there.y0 or there.y1 <= box.y0
            assert apart, f"{text!r} overlaps {other!r}"


def test_the_caption_says_that_values_are_exact_or_not(files):
    result = read_result(files["noisy_neighbour"])
    assert "exact (deterministic): quick, 100\u00a0ms" in " ".join(style.caption_lines("A.", result))
    assert "not reproducible" in " ".join(style.caption_lines("A.", replace(result, reproducible=False)))


def test_a_point_without_an_answer_is_left_out(files, tmp_path):
    result = read_result(files["noisy_neighbour"])
    points = [
        replace(p, metrics=p.metrics | {"degradation": None}) if p.levels["hogs"] == 1 else p
        for p in result.points
    ]
    write_result(tmp_path / "noisy_neighbour.json", replace(result, points=points))
    assert len(draw_figures(tmp_path / "noisy_neighbour.json", tmp_path)) == 2


def test_a_point_without_its_middle_has_no_whisker(files):
    result = read_result(files["noisy_neighbour"])
    index = next(
        i
        for i, point in enumerate(result.points)
        if isinstance(found := point.metrics.get("latency"), dict) and found["p99"] is not None
    )
    spec = find("noisy_neighbour").figures[0]

    def caps(shown):
        lines = draw_lines(spec, shown).axes[0].get_lines()
        return sum(int(np.isfinite(line.get_ydata()).sum()) for line in lines if line.get_marker() == "_")

    before = caps(result)
    point = result.points[index]
    latency = {**point.metrics["latency"], "p99": None}
    points = list(result.points)
    points[index] = replace(point, metrics={**point.metrics, "latency": latency})
    assert before > 0
    assert caps(replace(result, points=points)) == before - 2


def test_looks_differ_without_colour():
    assert len({look.marker for look in style.LOOKS}) == len(style.LOOKS)
    assert len({look.hatch for look in style.LOOKS}) == len(style.LOOKS)
