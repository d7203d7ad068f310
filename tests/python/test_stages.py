"""From points to a result: what is kept, what is compared, what is refused. The runs are made up (`pretend`)."""

import io
import json
import sys
from dataclasses import replace

import pytest
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.conclude import conclude
from bulkhead.experiment.determinism import first_difference
from bulkhead.experiment.find import find
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.progress import Lines, Silent
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.experiment.stages import Capturing, analyse_stage, capture_stage, load_stage
from bulkhead.metrics import Schema
from bulkhead.result import read_result
from pretend import cut_short, pretend
from synthetic import Script

SETS = ("sched=round_robin,credit", "hogs=0,1,4", "duration_ms=100", "warm_up_ms=20", "drain_ms=20")


def small_plan(*more):
    return make_plan(find("noisy_neighbour"), True, SETS + more, lambda kind: ("round_robin", "credit"))


def captured(plan, out, backend=pretend, repeats=1, progress=None):
    return capture_stage(plan, out, Capturing(repeats), {"qemu": backend}, progress or Silent())


def with_traces(plan, out):
    """Captured runs with their traces, which a capture leaves on disk."""
    return [replace(one, run=one.whole_run()) for one in captured(plan, out)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    plan = small_plan()
    return plan, out, analyse_stage(plan, out, captured(plan, out, repeats=2))


def test_the_result_has_every_point_in_order(made):
    plan, _, analysis = made
    assert [point.levels for point in analysis.result.points] == [dict(point.levels) for point in plan.points]
    assert analysis.result.repeats == 2
    assert analysis.differences == ()


def test_a_share_against_its_entitlement(made):
    result = made[2].result
    levels = {"sched": "round_robin", "victim": "compute", "hogs": 1}
    assert result.value(levels, "share.victim") == pytest.approx(0.5, abs=0.01)
    assert result.value(levels, "entitlement.victim") == 0.5
    assert result.value(levels, "fairness.jain") == pytest.approx(1.0, abs=1e-3)


def test_comparisons_are_made_with_the_base_line_of_the_same_policy(made):
    result = made[2].result
    levels = {"sched": "credit", "victim": "compute", "hogs": 1}
    alone = result.value(levels | {"hogs": 0}, "throughput")
    together = result.value(levels, "throughput")
    assert result.value(levels, "degradation") == 100 * (1 - together / alone)
    assert result.value(levels | {"hogs": 0}, "degradation") == 0
    assert result.value(levels, "ideal_degradation") == 50
    assert result.metrics["degradation"].baseline == {"hogs": 0}


def test_metrics_are_only_where_they_have_a_meaning(made):
    result = made[2].result
    responder, compute = result.where({"victim": "responder"}), result.where({"victim": "compute"})
    assert all("latency" in p.metrics and "throughput" not in p.metrics for p in responder)
    assert all("latency" not in p.metrics and "throughput" in p.metrics for p in compute)


def test_latency_of_the_made_up_boost_is_that_of_the_service(made):
    result = made[2].result
    levels = {"sched": "credit", "victim": "responder", "hogs": 4}
    assert result.value(levels, "latency.max") <= 60_000
    assert result.value(levels | {"sched": "round_robin"}, "latency.max") > 1_000_000
    assert result.value(levels, "ideal_latency") == result.value(levels | {"hogs": 0}, "latency.p99")


def test_effective_parameters_ledger_and_r_max_are_recorded(made):
    point = made[2].result.points[0]
    assert point.policies[0].parameters == {"slice": 5000}
    assert point.ledger.skew_ns == point.ledger.domain_skew_ns == 0
    assert sum(row.share for row in point.ledger.domains) <= 1
    assert point.r_max.ns == 12_345


def test_the_analysis_can_be_done_again_from_the_captured_runs(made):
    plan, out, analysis = made
    before = analysis.path.read_bytes()
    again = analyse_stage(plan, out, load_stage(plan, out))
    assert again.path.read_bytes() == before


def test_the_same_runs_give_the_same_bytes(made, tmp_path):
    plan, _, analysis = made
    again = analyse_stage(plan, tmp_path, captured(plan, tmp_path, repeats=2))
    assert again.path.read_bytes() == analysis.path.read_bytes()


def test_the_file_reads_back_as_the_same_result(made):
    assert read_result(made[2].path) == made[2].result


def test_a_capture_with_other_settings_is_not_taken(made):
    plan, out, _ = made
    with pytest.raises(BulkheadError, match="other settings; run the capture"):
        load_stage(small_plan("seed=9"), out)
    with pytest.raises(BulkheadError, match="is not there"):
        load_stage(plan, out / "nowhere")


def test_repetitions_that_differ_are_named_with_their_first_record(tmp_path):
    plan = small_plan("hogs=0", "victim=compute", "sched=credit")
    count = 0

    def unsteady(machine, options):
        nonlocal count
        run = pretend(machine, options)
        count += 1
        if count == 1:
            return run
        trace = run.trace.copy()
        trace["b"][5] += 1
        return replace(run, trace=trace, trace_sha256="f" * 64)

    captures = capture_stage(plan, tmp_path, Capturing(2, 1), {"qemu": unsteady}, Silent())
    analysis = analyse_stage(plan, tmp_path, captures)
    assert len(analysis.differences) == 1
    assert "repetition 1 differs from repetition 0: record 5 is " in str(analysis.differences[0])
    assert str(analysis.differences[0]) in analysis.result.warnings


def test_first_difference_in_words():
    events = Schema.built().events
    one = Script().woke(10, 1).ran(20, 30, 1).trace().records
    other = one.copy()
    other["time"][1] = 21
    assert first_difference(one, other, events).startswith("record 1 is run_in at 20 ns (domain 1")
    assert "one trace ends at record 2, the other goes on with run_out at 30 ns" in first_difference(
        one[:2], one, events
    )
    assert "other rings" in first_difference(one, one, events)


def test_a_run_without_an_end_is_refused(tmp_path):
    plan = small_plan("hogs=0", "victim=compute", "sched=credit")
    with pytest.raises(BulkheadError, match="host timeout of 1 s"):
        analyse_stage(plan, tmp_path, captured(plan, tmp_path, cut_short))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exit_status": 4}, "the run failed with status 4: the hypervisor panicked"),
        ({"exit_status": 3}, "status 3: a guest crashed"),
        ({"landmark": {"trace_lost": (12,)}}, "12 trace records did not fit"),
    ],
)
def test_a_run_that_failed_is_never_a_result(tmp_path, change, message):
    plan = small_plan("hogs=0", "victim=compute", "sched=credit")
    one = with_traces(plan, tmp_path)[0]
    parts = {
        name: replace(getattr(one.run, name), **part) if isinstance(part, dict) else part
        for name, part in change.items()
    }
    with pytest.raises(BulkheadError, match=message):
        normalise(plan.experiment, replace(one, run=replace(one.run, **parts)))


def test_a_guest_that_starts_late_is_noticed(tmp_path):
    plan = small_plan("hogs=0", "victim=compute", "sched=credit")
    one = with_traces(plan, tmp_path)[0]
    trace = one.run.trace[one.run.trace["event"] != Schema.built().events["mark"]]
    with pytest.raises(BulkheadError, match="guest victim left no mark 'ready' before"):
        normalise(plan.experiment, replace(one, run=replace(one.run, trace=trace)))


def test_an_ejected_policy_is_a_warning_of_the_result(tmp_path):
    plan = small_plan("hogs=0", "victim=compute", "sched=credit")
    one = with_traces(plan, tmp_path)[0]
    report = replace(one.run.landmark.policies[0], ejected="starvation", hook="pick", ejected_at=77)
    landmark = replace(one.run.landmark, policies=(report,))
    one = replace(one, run=replace(one.run, landmark=landmark))
    result = conclude(plan, [one], [normalise(plan.experiment, one)], [])
    assert result.warnings == [
        f"{one.point.label}: policy credit was ejected at 77 ns: starvation in the hook pick"
    ]


def test_runs_of_two_versions_make_no_result(tmp_path):
    plan = small_plan("hogs=0,1", "victim=compute", "sched=credit")
    first, second = with_traces(plan, tmp_path)
    second = replace(second, run=replace(second.run, versions=replace(second.run.versions, commit="1" * 40)))
    points = [normalise(plan.experiment, one) for one in (first, second)]
    with pytest.raises(BulkheadError, match="not of one version"):
        conclude(plan, [first, second], points, [])


def test_the_first_failure_stops_the_batch(tmp_path):
    plan, calls = small_plan(), []

    def broken(machine, options):
        calls.append(machine)
        raise BulkheadError("no such kernel")

    with pytest.raises(BulkheadError, match="no such kernel"):
        capture_stage(plan, tmp_path, Capturing(1, 1), {"qemu": broken}, Silent())
    assert len(calls) < len(plan.points)


def test_progress_is_one_line_for_each_run(tmp_path):
    plan, out = small_plan("hogs=0", "sched=credit"), io.StringIO()
    captured(plan, tmp_path, progress=Lines(len(plan.points), out))
    lines = out.getvalue().splitlines()
    assert len(lines) == len(plan.points)
    assert lines[0].startswith("[1/2] sched=credit,victim=") and lines[0].endswith("0.1 s")


def test_nothing_in_the_file_depends_on_when_or_where(made):
    text = json.dumps(json.loads(made[2].path.read_text()))
    assert "host_seconds" not in text and str(made[1]) not in text


def test_a_trace_comes_back_from_disk_as_it_was(tmp_path):
    from bulkhead.model import storage
    from bulkhead.backend.sim import simulate
    from bulkhead.base.errors import BulkheadError
    from bulkhead.base.units import MIB
    from bulkhead.model.machine import Machine
    from bulkhead.model.spec import Guest

    run = simulate(Machine(guests=(Guest("hog", "workload:cpu_hog", memory=4 * MIB),), duration=50_000_000))
    storage.save(run, tmp_path)
    again = storage.load(tmp_path)
    assert len(run.trace) > 10 and again.trace.dtype == run.trace.dtype
    assert again.trace.tobytes() == run.trace.tobytes() and again.landmark == run.landmark
    assert len(storage.load(tmp_path, trace=False).trace) == 0
    (tmp_path / storage.TRACE).write_bytes(b"PK damaged")
    with pytest.raises(BulkheadError, match="holds no run"):
        storage.load(tmp_path)


def test_progress_goes_to_stderr_as_it_is_at_the_call(monkeypatch, tmp_path):
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    sets = ("sched=credit", "hogs=0", "victim=compute")
    run_experiment(RunRequest("noisy_neighbour", True, sets, jobs=1, backend="sim", out=tmp_path))
    assert "hogs=0" in heard.getvalue()
