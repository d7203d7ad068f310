"""Figures come from the result file alone, and the same file gives the same bytes."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from bulkhead.experiment.draw import declared, draw_figures
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.progress import Silent
from bulkhead.experiment.stages import Capturing, analyse_stage, capture_stage
from bulkhead.figures import Lines, style
from bulkhead.figures.caption import caption
from bulkhead.figures.draw import figure_of
from bulkhead.figures.lines import draw_lines
from bulkhead.figures.values import places
from bulkhead.result import Spread, read_result, write_result
from bulkhead.result.compare import numbers
from bulkhead.result.samples import sample_row
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pretend import pretend

matplotlib.use("Agg")
FOLDER = Path(__file__).resolve().parents[2] / "results"
REFERENCES = sorted(FOLDER.glob("*.json"))
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
    assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf", f"{name}.txt"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_no_dates_in_the_files(files, tmp_path):
    for path in draw_figures(files["theft_of_service"], tmp_path):
        data = path.read_bytes()
        assert b"CreationDate" not in data and b"Software" not in data


def shown(axis, limits):
    """Labels of the ticks that are drawn."""
    return [tick.label1 for tick in axis.get_major_ticks() if limits[0] <= tick.get_loc() <= limits[1]]


def texts_of(figure):
    """Every text of a figure that is drawn."""
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        texts += [*shown(axes.xaxis, axes.get_xlim()), *shown(axes.yaxis, axes.get_ylim()), *axes.texts]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    return [text for text in texts if text.get_text() and text.get_visible()]


def boxes(figure):
    """Where the texts of a figure lie, in pixels; a slanted text's box is too big, and is left out."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    return [
        (text.get_text(), text.get_window_extent(renderer), text.get_rotation() % 90 != 0)
        for text in texts_of(figure)
    ]


def assert_readable(figure):
    """Width of a column or page, on one page, no text smaller than 7 pt, none over another or outside."""
    assert figure.get_figwidth() in (3.3, 7.0) and figure.get_figheight() <= 9.0
    assert min(text.get_fontsize() for text in texts_of(figure)) >= 7
    placed, width, height = boxes(figure), figure.bbox.width, figure.bbox.height
    for text, box, _ in placed:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    straight = [(text, box) for text, box, slanted in placed if not slanted]
    for i, (text, box) in enumerate(straight):
        for other, there in straight[i + 1 :]:
            apart = box.x1 <= there.x0 or there.x1 <= box.x0 or box.y1 <= there.y0 or there.y1 <= box.y0
            assert apart, f"{text!r} overlaps {other!r}"


def drawn(spec, result):
    with matplotlib.rc_context(style.RC):
        return figure_of(spec, result)


@pytest.mark.parametrize("sets", [(), ("sched=all",)])
@pytest.mark.parametrize("name", ["noisy_neighbour", "theft_of_service"])
def test_quick_figures_are_readable(tmp_path, name, sets):
    assert_readable(drawn(find(name).figures[0], read_result(result_file(name, tmp_path, *sets))))


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_the_figures_of_every_reference_are_readable(path):
    result = read_result(path)
    for spec in declared(result):
        assert_readable(drawn(spec, result))


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_categories_are_dots_in_their_places_and_numbers_are_lines(path):
    result = read_result(path)
    for spec in declared(result):
        if not isinstance(spec, Lines):
            continue
        levels = result.factors[spec.x].values
        names = any(isinstance(level, str) for level in levels)
        for axes in drawn(spec, result).axes:
            lines = [line for line in axes.get_lines() if line.get_marker() not in ("_", "None")]
            assert lines
            for line in lines:
                joined = line.get_linestyle() != "None"
                assert not (names and joined), f"{path.stem}: categories are joined"
                if names:
                    at = np.asarray(line.get_xdata(), float)
                    assert (np.abs(at - np.round(at)) < 0.5).all(), "a dot is outside its category"


def test_numbers_stand_to_scale():
    assert places([0, 1, 2, 4]) == pytest.approx([0, 0.75, 1.5, 3])
    assert places([1, 2, 4, 8]) == pytest.approx([0, 1, 2, 3]), "to the scale of their logarithm"
    assert places([20, 40, 60, 70, 80, 90, 95])[-2:] == pytest.approx([5.6, 6])
    assert places([1, 2, 3, 1000]) == [0, 1, 2, 3], "two would be too close"
    assert places(["b", "a"]) == [0, 1] and places([5]) == [0]


def test_samples_are_drawn_with_their_interval(files):
    result = read_result(files["noisy_neighbour"])
    spec = find("noisy_neighbour").figures[0]
    points = [
        replace(
            point,
            samples=[sample_row(0, {}, {}, point)],
            spread={
                path: Spread(0.5 * value, 2 * value, 3)
                for path, value in numbers(point.metrics)
                if value is not None
            },
        )
        for point in result.points
    ]
    sampled = replace(result, samples=3, points=points)
    assert_readable(drawn(spec, sampled))
    ends = [set(), set()]
    for line in drawn(spec, sampled).axes[1].get_lines():
        if line.get_marker() == "_":
            ends[0].update(np.round(line.get_ydata(), 6))
    for point in result.where({"victim": "compute"}):
        lost = point.metrics["degradation"]
        assert {round(0.5 * lost, 6), round(2 * lost, 6)} <= ends[0]
    text = caption(spec, sampled)
    assert "Markers: median of 3 samples; whiskers: their range." in text and "one phase" not in text
    assert "5th to 95th percentile" in caption(spec, replace(sampled, samples=20))


def test_a_heat_map_has_every_number(tmp_path):
    result = read_result(FOLDER / "fan_out.json")
    (spec,) = declared(result)
    written = [text.get_text() for text in drawn(spec, result).axes[0].texts]
    assert sorted(written) == sorted(f"{point.metrics['share']['victim']:.3f}" for point in result.points)


def test_the_caption_says_where_values_are_from_and_how_certain_they_are(files):
    result = read_result(files["noisy_neighbour"])
    spec = find("noisy_neighbour").figures[0]
    text = caption(spec, result)
    assert (
        "Values are measured on the hypervisor; one phase, exact (deterministic): quick, 100\u00a0ms" in text
    )
    assert "Markers: 99th percentile; whiskers: median to maximum of the same run." in text
    assert "not reproducible" in caption(spec, replace(result, reproducible=False))
    simulated = caption(spec, replace(result, origin="simulated"))
    assert "Values are simulated; one phase" in simulated


def test_a_point_without_a_marker_is_named_in_the_caption():
    whole = read_result(FOLDER / "ping_tail.json")
    whole = replace(
        whole, points=[point for point in whole.points if not point.metrics["latency"]["unfinished"]]
    )
    (spec,) = declared(whole)
    assert "had not ended" not in caption(spec, whole)
    point = whole.points[0]
    latency = {**point.metrics["latency"], "unfinished": 64, "max": None}
    missing = replace(point, metrics={**point.metrics, "latency": latency})
    levels = f"sched={point.levels['sched']}, hogs={point.levels['hogs']}"
    text = caption(spec, replace(whole, points=(missing, *whole.points[1:])))
    assert f"No maximum, since some delays had not ended with the run: {levels}." in text


def test_measured_references_beside_simulated_points_are_named(tmp_path):
    result = read_result(FOLDER / "wake_latency.json")
    (spec,) = declared(result)
    assert "measured, not simulated" not in caption(spec, result)
    assert "The references (red) are measured, not simulated." in caption(
        spec, replace(result, backend="sim")
    )


def test_the_caption_is_beside_the_picture(files, tmp_path):
    png, pdf, text = draw_figures(files["noisy_neighbour"], tmp_path)
    result = read_result(files["noisy_neighbour"])
    spec = find("noisy_neighbour").figures[0]
    assert text.read_text() == caption(spec, result) + "\n"
    assert not any("Values are" in found.get_text() for found in texts_of(drawn(spec, result)))


def test_a_point_without_an_answer_is_left_out(files, tmp_path):
    result = read_result(files["noisy_neighbour"])
    points = [
        replace(p, metrics=p.metrics | {"degradation": None}) if p.levels["hogs"] == 1 else p
        for p in result.points
    ]
    write_result(tmp_path / "noisy_neighbour.json", replace(result, points=points))
    assert len(draw_figures(tmp_path / "noisy_neighbour.json", tmp_path)) == 3


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
