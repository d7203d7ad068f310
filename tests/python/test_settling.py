"""More samples where the first ones are apart: for those points alone, from their own samples, kept and loaded again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead.base.errors import BulkheadError, Interrupted
from bulkhead.experiment import Settling
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import Plan, make_plan
from bulkhead.experiment.progress import Silent
from bulkhead.experiment.stages import Capturing, analyse_stage, capture_stage, load_stage
from bulkhead.figures.caption import caption
from bulkhead.result import Result
from bulkhead.result.agreement import scattered
from bulkhead.result.gate import changes
from bulkhead.result.samples import sampling
from bulkhead.result.signs import policy_pairs
from pretend import pretend

SETS = ("sched=round_robin", "victim=compute", "hogs=0,1", "duration_ms=100", "warm_up_ms=20", "drain_ms=20")
FIRST, MOST = 2, 4


class Counting(Silent):
    """Counts what it hears of."""

    def __init__(self) -> None:
        self.announced, self.done = 0, 0

    def more(self, runs: int) -> None:
        self.announced += runs

    def finished(self, label: str, host_seconds: float) -> None:
        self.done += 1


def plan(samples: int = FIRST) -> Plan:
    """A point alone, and one beside a hog. Only the latter counts as unsettled."""

    def apart(metrics):  # type: ignore[no-untyped-def]
        return all(each["share"]["victim"] < 0.9 for each in metrics)

    experiment = replace(find("noisy_neighbour"), settling=Settling(MOST, apart))
    return make_plan(experiment, True, SETS, lambda kind: ("round_robin",), samples)


def captured(wanted: Plan, out: Path, progress: Silent | None = None):  # type: ignore[no-untyped-def]
    return capture_stage(wanted, out, Capturing(), {"qemu": pretend}, progress or Silent())


def test_only_the_point_that_is_apart_gets_more(tmp_path: Path) -> None:
    progress = Counting()
    captures = captured(plan(), tmp_path, progress)
    result = analyse_stage(plan(), tmp_path, captures).result
    counts = {point.levels["hogs"]: len(point.samples) for point in result.points}
    assert counts == {0: FIRST, 1: MOST}
    assert (progress.announced, progress.done) == (MOST - FIRST, FIRST + MOST)
    assert [row.sample for row in result.points[1].samples] == list(range(MOST))
    assert sampling(result).endswith(f"of {FIRST} to {MOST} samples")
    for spec in plan().experiment.figures:
        assert f"of {FIRST} to {MOST} samples" in caption(spec, result)


def test_an_interrupt_among_further_samples_counts_the_first_ones(tmp_path: Path) -> None:
    calls = 0

    def interrupted(machine, options):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls > 2 * FIRST:
            raise KeyboardInterrupt
        return pretend(machine, options)

    whole = 2 * FIRST + MOST - FIRST
    with pytest.raises(Interrupted, match=f"{2 * FIRST} of {whole} runs are finished"):
        capture_stage(plan(), tmp_path, Capturing(jobs=1), {"qemu": interrupted}, Silent())


@pytest.fixture
def uneven(tmp_path: Path) -> Result:
    """Of two policies at one point, the first has samples that are apart."""
    answers = iter((True, False))
    experiment = replace(find("noisy_neighbour"), settling=Settling(MOST, lambda metrics: next(answers)))
    policies = ("round_robin", "credit")
    sets = ("sched=round_robin,credit", "hogs=1", *SETS[1:2], *SETS[3:])
    both = make_plan(experiment, True, sets, lambda kind: policies, FIRST)
    result = analyse_stage(both, tmp_path, captured(both, tmp_path)).result
    assert [len(point.samples) for point in result.points] == [MOST, FIRST]
    return result


def test_policies_are_paired_in_the_samples_that_both_have(uneven: Result) -> None:
    (pair,) = policy_pairs(uneven, "share.victim")
    assert pair.signs.pairs == FIRST


def test_a_result_is_compared_with_one_whose_samples_were_closer(uneven: Result) -> None:
    closer = replace(uneven, points=[replace(p, samples=p.samples[:FIRST]) for p in uneven.points])
    found = list(changes(uneven, closer, ["share.victim"]))
    assert [change.signs.pairs for change in found] == [FIRST, FIRST]


def test_one_sample_never_gets_more(tmp_path: Path) -> None:
    assert len(captured(plan(1), tmp_path)) == 2


def test_what_was_captured_is_loaded_again_whole(tmp_path: Path) -> None:
    captures = captured(plan(), tmp_path)
    again = load_stage(plan(), tmp_path)
    assert [(one.label, one.sample) for one in again] == [(one.label, one.sample) for one in captures]


def test_a_further_sample_that_is_missing_is_named(tmp_path: Path) -> None:
    captured(plan(), tmp_path)
    (last,) = tmp_path.glob(f"runs/noisy_neighbour/*hogs=1.s{MOST - 1}.r0")
    last.rename(tmp_path / "elsewhere")
    with pytest.raises(BulkheadError, match=f"hogs=1.s{MOST - 1}.r0 is not there"):
        load_stage(plan(), tmp_path)


def test_samples_are_scattered_if_a_deciding_number_is_further_apart_than_two_back_ends_may_be() -> None:
    def samples(kind: str, *numbers: float):  # type: ignore[no-untyped-def]
        return [{kind: {"number": number}} for number in numbers]

    assert scattered(samples("share", 0.30, 0.305, 0.312))
    assert not scattered(samples("share", 0.30, 0.305, 0.309))
    assert scattered(samples("p99", 100_000, 121_000))
    assert not scattered(samples("p99", 1_000_000, 1_049_000))
    assert not scattered(samples("part", 0.0, 1.0))  # does not decide
    assert not scattered([{"share": {"number": None}}, {"share": {"number": 0.3}}])
