"""Every experiment runs on the simulator, and its result has the shape of the one that the hypervisor gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bulkhead.backend.sim import Simulated
from bulkhead.base.errors import SpecError
from bulkhead.base.plain import to_plain
from bulkhead.experiment.find import FOLDER, find, names
from bulkhead.experiment.plan import leave_out, make_plan
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import REGISTRY
from bulkhead.model.options import RunOptions
from bulkhead.result import PointResult, Result, read_result

SIMULATED = [name for name in names() if not find(name).hypervisor_only]
RESULTS = FOLDER.parent / "results"
IGNORES_WEIGHTS = " ignores weights, "  # some experiments compare policies with weights and without
OVERLOADED = " add up to "  # the loads of deadline_misses go beyond what fits
HAS_A_KERNEL = "has a kernel, and the simulator runs none"  # one reason to leave a point out
# The others: ring_flood varies one thing at a time, isol_bench what a question is about, idle_tax a tax.
DECLARED = (
    "differs from the plain flood",
    "has the attacker's weight",
    "only a priority",
    "a priority is asked",
    "the policy has no tax",
)
ONLY_SIMULATED = {name: ("backend=sim",) for name in ("agreement", "agreement_memory", "agreement_rings")}
# Summaries of few delays or none, on either back end: a victim that always has a request left is seldom woken.
NO_SAMPLES = (
    ("wake_to_run", {"sched": "credit_sampled", "victim": "responder", "hogs": 4}),
    ("wake_to_run", {"sched": "credit"}),  # a dodger whose phase lets it find the pCPU free each time
    (
        "alone",
        {"corunners": "flood", "ringctl": "fifo"},
    ),  # in a short run more than 1 % of the reads never end
    # In a short run some of its guests begin no read in the part that is measured.
    *(
        ("latency", {"case": case, "ringctl": ringctl})
        for case in ("figure 4", "figure 5", "figure 6", "table 3")
        for ringctl in ("sfq", "mclock")
    ),
    # In a short run the victim's ring is full throughout, and it asks for nothing.
    *(
        ("latency", {"ringctl": "fifo", "rings": 8, "domains": 8, "requests": 32, "weights": weights})
        for weights in ("parts", "group")
    ),
)
NO_SUCH_ANSWER = {"swap_midrun": {"jobs": "vectors"}}  # metrics that the simulator has, but for one guest


def shape(value: Any) -> Any:
    """What kinds of values stand under which names; a name that is a number (a time, a length) is like any other number.

    A percentile that is missing since that many delays never ended is like one that did; nothing else may be missing.
    """
    if isinstance(value, dict):
        if value.get("unfinished"):
            value = {key: 0 if item is None else item for key, item in value.items()}
        return {"0" if key.isdigit() else key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if type(value) in (int, float) else type(value).__name__


def without_metrics(point: PointResult) -> Any:
    """A point's shape but for its metrics and samples, the values of its factors, and domain 0's parameters, which old
    results lack."""
    plain = to_plain(point)
    for row in plain["ledger"]["domains"]:
        row["sched"] = row["sched"] if row["name"] != "dom0" else {}
    return shape(
        {key: item for key, item in plain.items() if key not in ("metrics", "levels", "samples", "spread")}
    )


@pytest.fixture(scope="module", params=SIMULATED)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    name, out = request.param, tmp_path_factory.mktemp(request.param)
    return run_experiment(RunRequest(name, True, ONLY_SIMULATED.get(name, ()), backend="sim", out=out)).result


def test_it_runs_on_the_simulator(result: Result) -> None:
    known = [warning for warning in result.warnings if IGNORES_WEIGHTS in warning or OVERLOADED in warning]
    assert result.points and result.warnings == known
    known_reasons = (HAS_A_KERNEL, *DECLARED)
    assert all(any(reason in why for reason in known_reasons) for why in result.left_out.values())
    assert all(point.ledger.skew_ns == 0 == point.ledger.domain_skew_ns for point in result.points)


def test_its_result_has_the_shape_of_the_hypervisors(result: Result) -> None:
    path = RESULTS / f"{result.experiment}.json"
    if not path.is_file():
        pytest.skip(f"there is no reference result {path.name}")
    reference = read_result(path)
    heads = [to_plain(one) for one in (result, reference)]
    for head in heads:
        head.update(points=[], warnings=[], left_out={})
        head["factors"] = {name: {**row, "values": []} for name, row in head["factors"].items()}
    assert shape(heads[0]) == shape(heads[1])
    comparisons = {comparison.name for comparison in find(result.experiment).comparisons}
    both = [(point, other) for point in result.points for other in reference.where(point.levels)]
    assert both
    for point, other in both:
        assert without_metrics(point) == without_metrics(other), point.levels
        wanted, got = shape(other.metrics), shape(point.metrics)
        for metric, guest in NO_SUCH_ANSWER.get(result.experiment, {}).items():
            assert wanted[metric].pop(guest) == "number" and guest not in got[metric]
        for metric, levels in NO_SAMPLES:
            if point.levels == levels and metric in wanted:
                got[metric] = wanted[metric]
        not_compared = comparisons - set(got)  # their base line is not among the quick points
        assert got == {key: item for key, item in wanted.items() if key not in not_compared}, point.levels


def test_points_are_left_out_by_name_and_with_the_reason(tmp_path: Path) -> None:
    sets = ("guests=small,linux", "pcpus=1")
    plan = leave_out(make_plan(find("swap_midrun"), True, sets), "sim", REGISTRY.cannot_carry_out)
    assert [point.label for point in plan.points] == ["guests=small,pcpus=1"]
    assert plan.left_out == {"guests=linux,pcpus=1": f"guest linux1 {HAS_A_KERNEL}"}
    assert not leave_out(
        make_plan(find("swap_midrun"), True, sets), "qemu", REGISTRY.cannot_carry_out
    ).left_out
    with pytest.raises(
        SpecError, match="swap_midrun: --backend sim can run none of these points: guest linux1"
    ):
        run_experiment(RunRequest("swap_midrun", True, ("guests=linux",), backend="sim", out=tmp_path))


@pytest.mark.parametrize("name", SIMULATED)
def test_every_point_of_the_full_experiments_has_its_models(name: str) -> None:
    experiment = find(name)
    plan = make_plan(experiment, False, ONLY_SIMULATED.get(name, ()))
    simulated = 0
    for point in plan.points:
        machine = experiment.machine(point)
        if (why := REGISTRY.cannot_carry_out("sim", machine)) is not None:
            assert HAS_A_KERNEL in why, point.label
        else:
            with Simulated(machine, RunOptions()):  # its guests, policies and timeline are looked up here
                simulated += 1
    assert simulated


def test_what_only_the_hypervisor_can_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="neighbour_pcpu: .*; run it on the hypervisor: --backend qemu"):
        run_experiment(RunRequest("neighbour_pcpu", True, (), backend="sim", out=tmp_path))


def test_attacks_that_take_little_leave_the_victim_its_share(tmp_path: Path) -> None:
    kept = ("fault", "junk")
    request = RunRequest(
        "wake_latency", True, (f"corunners={','.join(kept)}", "sched=credit"), backend="sim", out=tmp_path
    )
    points = run_experiment(request).result.points
    assert {point.levels["corunners"] for point in points} == set(kept)
    assert all(point.metrics["share"][str(point.levels["corunners"])] > 0.4 for point in points)


def test_a_missing_number_is_none() -> None:
    nothing = {"count": 0, "unfinished": 0, "p50": None}
    assert shape({"reply": nothing}) != shape({"reply": {**nothing, "count": 1, "p50": 7}})
    assert shape({**nothing, "unfinished": 3}) == shape({"count": 1, "unfinished": 0, "p50": 7})
    assert shape({"lost": None}) != shape({"lost": 0.5})
