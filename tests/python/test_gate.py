"""Two results against each other: what moved, by how much, and when a bound is passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bulkhead.base.errors import SpecError
from bulkhead.cli import main
from bulkhead.result import PointResult, Result, read_result, write_result
from bulkhead.result.gate import Bound, changes, check_bounds
from bulkhead.result.samples import merged, sample_row
from test_figures import result_file


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Result:
    result = read_result(result_file("theft_of_service", tmp_path_factory.mktemp("gate")))
    return replace(result, versions=replace(result.versions, dirty=True))


def moved(result: Result, change: Callable[[int, float], float | None], count: int = 1) -> Result:
    """The result with so many samples, in which the attacker's share is what `change` makes of it."""

    def point_of(point: PointResult, sample: int) -> PointResult:
        share: dict[str, Any] = dict(point.metrics["share"])
        share["attacker"] = change(sample, share["attacker"])
        return replace(point, metrics={**point.metrics, "share": share})

    points = []
    for point in result.points:
        samples = [point_of(point, sample) for sample in range(count)]
        rows = [sample_row(n, {"victim": 7 * n}, {}, one) for n, one in enumerate(samples)]
        points.append(merged(samples, rows) if count > 1 else samples[0])
    return replace(result, samples=count, points=points)


def verdicts(first: Result, second: Result, text: str) -> list[bool]:
    bound = Bound.of(text)
    return [bound.passed(change) for change in changes(first, second, [bound.path])]


PATH = "share.attacker"


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (f"{PATH}>4%", True),
        (f"{PATH}>6%", False),
        (f"{PATH}<4%", True),
        (f"{PATH}<-4%", False),
        (f"{PATH}>0.02", True),
        (f"{PATH}>0.03", False),
    ],
)
def test_exact_runs_are_compared_as_they_are(plain: Result, text: str, passed: bool) -> None:
    half, more = moved(plain, lambda _, __: 0.5), moved(plain, lambda _, __: 0.525)
    if text == f"{PATH}<4%":  # 5 % is not below 4 %, less than nothing is
        more = moved(plain, lambda _, __: 0.45)
    assert verdicts(half, more, text) == [passed] * len(plain.points)


def test_samples_pass_a_bound_only_if_their_signs_agree(plain: Result) -> None:
    before = moved(plain, lambda _, __: 0.5, 8)
    all_grew = moved(plain, lambda _, __: 0.6, 8)
    most_grew = moved(plain, lambda sample, __: 0.45 if sample < 2 else 0.6, 8)
    assert set(verdicts(before, all_grew, f"{PATH}>5%")) == {True}
    assert set(verdicts(before, most_grew, f"{PATH}>5%")) == {False}, "six of eight: p = 0.29"
    assert set(verdicts(all_grew, before, f"{PATH}<-5%")) == {True}
    change = next(changes(before, most_grew, [PATH]))
    assert change.percent == pytest.approx(20)
    assert change.text().endswith("; grew in 6 of 8 samples, shrank in 2, p = 0.289")


def test_no_answer_passes_no_bound(plain: Result) -> None:
    before, nothing = moved(plain, lambda _, __: 0.5), moved(plain, lambda _, __: None)
    assert set(verdicts(before, nothing, f"{PATH}>5%")) == {False}
    assert "0.5 -> none" in next(changes(before, nothing, [PATH])).text()
    zero = moved(plain, lambda _, __: 0.0)
    assert set(verdicts(zero, before, f"{PATH}>5%")) == {False}, "no per cent of nothing"
    assert set(verdicts(zero, before, f"{PATH}>0.1")) == {True}


def test_what_cannot_be_compared_is_refused(plain: Result) -> None:
    other = replace(plain, experiment="weights")
    with pytest.raises(SpecError, match="one result is of theft_of_service, the other of weights"):
        list(changes(plain, other, [PATH]))
    with pytest.raises(SpecError, match="no point in common"):
        list(changes(plain, replace(plain, points=[]), [PATH]))
    with pytest.raises(SpecError, match="do not have the same samples"):
        list(changes(plain, moved(plain, lambda _, share: share, 8), [PATH]))
    with pytest.raises(SpecError, match="unknown metric share.nobody"):
        list(changes(plain, plain, ["share.nobody"]))
    with pytest.raises(SpecError, match="has no metric 'latency.p99'"):
        check_bounds([Bound.of("latency.p99>5%")], plain)
    with pytest.raises(SpecError, match="5 samples can never tell a change from chance; run at least 6"):
        check_bounds([Bound.of(f"{PATH}>5%")], moved(plain, lambda _, share: share, 5))
    for wrong in ("share", "share>", "share>x", ">5", "share>>5"):
        with pytest.raises(SpecError, match="write METRIC>BOUND"):
            Bound.of(wrong)


def test_the_command_is_a_gate(plain: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    write_result(before, plain)
    write_result(after, moved(plain, lambda _, share: share * 1.1))
    assert main(["compare", str(before), str(after)]) == 0
    assert f"sched=round_robin: {PATH} " in capsys.readouterr().out
    assert main(["compare", str(before), str(after), "--fail-if", f"{PATH}>5%"]) == 1
    assert f"FAILED {PATH}>5%: sched=round_robin: {PATH} " in capsys.readouterr().out
    assert main(["compare", str(before), str(after), "--fail-if", f"{PATH}>11%"]) == 0
    assert main(["compare", str(before), str(before), "--fail-if", "share"]) == 2


def test_the_same_build_must_give_the_same_bits(plain: Result, tmp_path: Path) -> None:
    clean = replace(plain, versions=replace(plain.versions, dirty=False))
    write_result(tmp_path / "a.json", clean)
    write_result(tmp_path / "b.json", moved(clean, lambda _, share: share * 1.001))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 0
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1


def test_the_report_is_a_command(plain: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(tmp_path / "theft_of_service.json", plain)
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path}/report.html\n"
    assert "Theft of service" in (tmp_path / "report.html").read_text()
