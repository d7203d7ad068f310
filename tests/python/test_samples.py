"""Samples of a point: all in the result with their traces, medians and intervals of them, policies compared in pairs."""

from __future__ import annotations

import random
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from bulkhead.base.errors import SpecError
from bulkhead.cli.table import table_lines
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.figures.caption import caption
from bulkhead.report import write_report
from bulkhead.result import PointResult, Result, lookup, read_result, write_result
from bulkhead.result.compare import differences
from bulkhead.result.samples import FEWEST_FOR_PERCENTILES, interval, median, merged, sample_row
from bulkhead.result.signs import policy_pairs, sign_test, signs, values
from scipy import stats

SETS = (
    "sched=round_robin,credit",
    "victim=responder",
    "hogs=0,1",
    "duration_ms=200",
    "warm_up_ms=100",
    "drain_ms=40",
)
SAMPLES = 3


def run(out: Path, samples: int, **changes: object) -> Result:
    request = RunRequest(
        "noisy_neighbour", True, SETS, jobs=1, backend="sim", out=out, resume=True, samples=samples
    )
    return run_experiment(replace(request, **changes)).result  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def result(out: Path) -> Result:
    return run(out, SAMPLES)


def paths(result: Result) -> list[tuple[PointResult, str]]:
    return [(point, path) for point in result.points for path in point.spread]


def test_every_sample_is_in_the_result_with_its_trace(result: Result) -> None:
    assert (result.samples, result.origin) == (SAMPLES, "simulated")
    for point in result.points:
        assert [row.sample for row in point.samples] == list(range(SAMPLES))
        assert len({row.trace_sha256 for row in point.samples}) == SAMPLES, "each is a run of its own"
        assert point.trace_sha256 == point.samples[0].trace_sha256
        assert (point.instruction_ns, point.parallel) == (4, True)
        assert set(point.samples[0].starts_ns.values()) == {0} and point.samples[0].phases_ns == {}
        assert all(0 < ns for row in point.samples[1:] for ns in row.starts_ns.values())
        assert all(set(row.phases_ns) == {"pinger"} for row in point.samples[1:])


def test_the_points_numbers_are_medians_and_ranges_of_the_samples(result: Result) -> None:
    assert len(paths(result)) > 100
    for point, path in paths(result):
        known = [value for value in values(point, path) if value is not None]
        spread = point.spread[path]
        assert (spread.low, spread.high, spread.answers) == (min(known), max(known), len(known))
        if len(known) == SAMPLES:
            assert lookup(point.metrics, path) == sorted(known)[SAMPLES // 2]
        assert point.r_max.ns == max(row.r_max.ns for row in point.samples)


def test_comparisons_are_made_sample_by_sample(result: Result) -> None:
    levels = {"sched": "round_robin", "victim": "responder"}
    (point,), (alone,) = (result.where({**levels, "hogs": hogs}) for hogs in (1, 0))
    for here, there in zip(point.samples, alone.samples):
        p99 = [lookup(row.metrics, "latency.p99") for row in (here, there)]
        assert here.metrics["slowdown"] == p99[0] / p99[1]  # type: ignore[operator]


def test_one_sample_is_sample_0_of_several(result: Result, out: Path, tmp_path: Path) -> None:
    one = run(tmp_path, 1)
    assert one.samples == 1
    for point, several in zip(one.points, result.points):
        assert point.samples == [] and point.spread == {}
        assert point.metrics == several.samples[0].metrics
        assert point.trace_sha256 == several.trace_sha256


def test_more_samples_keep_the_finished_ones(result: Result, out: Path) -> None:
    folder = out / "runs" / "noisy_neighbour"
    before = {path.name: (path / "point.json").stat().st_mtime_ns for path in folder.iterdir()}
    more = run(out, SAMPLES + 1)
    after = {path.name: (path / "point.json").stat().st_mtime_ns for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) // SAMPLES * (SAMPLES + 1)
    for point, several in zip(result.points, more.points):
        assert several.samples[:SAMPLES] == point.samples
    again = run(out, SAMPLES + 1, first="analyse")
    assert again == more


def test_samples_repeat_exactly(result: Result, out: Path, tmp_path: Path) -> None:
    request = RunRequest("noisy_neighbour", True, SETS, 2, 1, "sim", tmp_path, samples=2)
    outcome = run_experiment(request)
    assert outcome.identical
    assert any("2 repetitions of 8 runs: identical" in line for line in outcome.lines)
    for point, several in zip(outcome.result.points, result.points):
        assert point.samples == several.samples[:2]


def test_policies_are_compared_in_pairs(result: Result) -> None:
    pairs = list(policy_pairs(result, "latency.p99"))
    assert [(pair.levels["hogs"], pair.first, pair.second) for pair in pairs] == [
        (0, "round_robin", "credit"),
        (1, "round_robin", "credit"),
    ]
    crowded = pairs[1]
    assert (crowded.signs.lower, crowded.signs.higher, crowded.signs.p) == (0, SAMPLES, 0.25)
    assert crowded.text("latency.p99") == (
        "latency.p99 at victim responder, hogs 1: round_robin is lower than credit in 0 of 3 samples, higher in 3 "
        "(exact sign test, p = 0.25)"
    )
    assert not list(policy_pairs(result, "throughput")), "no point has it"


def test_the_file_reads_back_as_the_same_result(result: Result, tmp_path: Path) -> None:
    whole = run(tmp_path, SAMPLES)
    assert read_result(tmp_path / "noisy_neighbour.json") == whole == result


def test_a_declaration_says_how_many_samples_a_full_run_has() -> None:
    experiment = replace(find("noisy_neighbour"), samples=10)
    assert make_plan(experiment, False).samples == 10
    assert make_plan(experiment, True).samples == 1
    assert make_plan(experiment, True, samples=4).samples == 4
    for wrong in (0, -1, 10_001):
        with pytest.raises(SpecError, match=f"--samples {wrong} is outside 1 to 10000"):
            make_plan(experiment, False, samples=wrong)


def test_a_sample_whose_trace_moved_is_a_difference(result: Result) -> None:
    first = result.points[0]
    rows = [*first.samples[:2], replace(first.samples[2], trace_sha256="0" * 64)]
    moved = replace(result, points=[replace(first, samples=rows), *result.points[1:]])
    assert differences(result, result) == []
    (line,) = differences(result, moved)
    assert "sample 2: trace" in line and differences(result, moved, tolerance=0.01) == []
    fewer = replace(result, points=[replace(first, samples=rows[:2]), *result.points[1:]])
    assert any("3 samples against 2" in line for line in differences(result, fewer))


def test_the_table_on_the_terminal_has_median_and_interval(result: Result, tmp_path: Path) -> None:
    lines = table_lines(result)
    assert lines[0] == "Noisy neighbour: simulated, median and range of 3 samples"
    spread = result.points[1].spread["latency.p99"]
    assert f"[{spread.low / 1000:,.0f}..{spread.high / 1000:,.0f}]" in "\n".join(lines)
    assert table_lines(run(tmp_path, 1))[0] == "Noisy neighbour: simulated, one phase"


def test_the_report_has_samples_intervals_and_pairs(result: Result, tmp_path: Path) -> None:
    write_result(tmp_path / "noisy_neighbour.json", result)
    text = unescape(write_report(tmp_path).read_text())
    assert f"simulated, median and range of {SAMPLES} samples" in text
    for point in result.points:
        spread = point.spread["latency.p50"]
        assert f"[{spread.low:,}, {spread.high:,}]" in text
        assert all(row.trace_sha256[:12] in text for row in point.samples)
    assert "Policies compared, sample by sample" in text and "<td>round_robin</td><td>credit</td>" in text


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 57])
def test_medians_and_percentiles_are_those_of_numpy(count: int) -> None:
    chance = random.Random(count)
    numbers = [chance.randrange(10**9) for _ in range(count)]
    assert median(numbers) == np.median(numbers)
    wanted = (
        (min(numbers), max(numbers))
        if count < FEWEST_FOR_PERCENTILES
        else tuple(np.percentile(numbers, [5, 95]))
    )
    assert interval(numbers) == pytest.approx(wanted)


def test_medians_of_whole_numbers_are_whole_where_they_can_be() -> None:
    assert [type(median(numbers)) for numbers in ([1, 3], [1, 2], [1.0, 3.0])] == [int, float, float]


def test_an_answer_needs_more_than_half_of_the_samples(result: Result) -> None:
    point = result.points[0]
    found = [replace(point, samples=[], metrics={"a": {"b": value}}) for value in (5, None, 3, None, 4)]
    rows = [sample_row(number, {}, {}, one) for number, one in enumerate(found)]
    three = merged(found, rows)
    assert three.metrics == {"a": {"b": 4}}
    assert (three.spread["a.b"].low, three.spread["a.b"].high, three.spread["a.b"].answers) == (3, 5, 3)
    two = merged(found[1:], rows[1:])
    assert two.metrics == {"a": {"b": None}} and two.spread["a.b"].answers == 2


def test_samples_without_an_answer_are_counted_wherever_numbers_are_shown(
    result: Result, tmp_path: Path
) -> None:
    spec = find("noisy_neighbour").figures[0]
    assert "no answer" not in caption(spec, result)
    point = result.points[0]
    spread = {**point.spread, "latency.p99": replace(point.spread["latency.p99"], answers=2)}
    fewer = replace(result, points=[replace(point, spread=spread), *result.points[1:]])
    assert "At 1 of 4 points some samples have no answer" in caption(spec, fewer)
    assert "(2 of 3)" in "\n".join(table_lines(fewer)) and "(2 of 3)" not in "\n".join(table_lines(result))
    write_result(tmp_path / "noisy_neighbour.json", fewer)
    assert "(2 of 3)" in write_report(tmp_path).read_text()


@pytest.mark.parametrize(("lower", "higher"), [(0, 0), (1, 0), (5, 5), (9, 1), (0, 10), (17, 40)])
def test_the_sign_test_is_exact(lower: int, higher: int) -> None:
    wanted = stats.binomtest(lower, lower + higher, 0.5).pvalue if lower + higher else 1.0
    assert sign_test(lower, higher) == pytest.approx(wanted)


def test_signs_leave_out_what_has_no_answer() -> None:
    found = signs([1, 2, None, 4, 5], [2, 2, 3, None, 1])
    assert (found.lower, found.higher, found.equal, found.pairs, found.p) == (1, 1, 1, 3, 1.0)
