"""Mistakes of somebody who writes an experiment or reads a run: each is one line that says what is wrong, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead import Guest, Machine, SpecError
from bulkhead.backend.sim import simulate
from bulkhead.base.errors import BulkheadError
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.experiment.archive import Captured
from bulkhead.experiment.declare import Metric
from bulkhead.experiment.find import FOLDER, find, find_sound, names
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.plan import make_plan
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics import TraceError, trace_of
from bulkhead.model.run import Run
from pretend import pretend

SETS = ("sched=round_robin", "victim=compute", "hogs=1", "duration_ms=100", "warm_up_ms=20", "drain_ms=20")


@pytest.fixture(scope="module")
def run() -> Run:
    guests = (Guest("hog", "workload:cpu_hog", memory=4 * MIB),)
    return simulate(Machine(guests=guests, duration=20_000_000, memory=64 * MIB, trace_bytes=MIB))


def test_an_unknown_event_or_guest_is_named_with_a_suggestion(run: Run) -> None:
    with pytest.raises(SpecError, match="unknown trace event 'run_inn'; did you mean 'run_in'"):
        run.select("run_inn")
    with pytest.raises(SpecError, match="no domain 'hug'; did you mean 'hog'"):
        run.select("run_in", "hug")


def test_metrics_refuse_a_trace_that_lost_records_unless_told_to(run: Run) -> None:
    assert run.complete and len(trace_of(run).records)
    lossy = replace(run, landmark=replace(run.landmark, trace_lost=(7,)))
    assert not lossy.complete and not replace(run, lost_to="interrupted").complete
    with pytest.raises(TraceError, match="7 trace records are lost; give the machine more trace_bytes"):
        trace_of(lossy)
    assert len(trace_of(lossy, incomplete=True).records) == len(run.trace)


def test_the_simulator_loses_nothing_of_a_trace_that_the_hypervisor_would_keep() -> None:
    guests = tuple(Guest(f"g{i}", "workload:yield_storm", memory=4 * MIB) for i in range(2))
    run = simulate(Machine(guests=guests, duration=20_000_000, memory=64 * MIB, trace_bytes=4096))
    assert run.complete and len(run.trace) > 4096 // run.trace.itemsize


def declared(*metrics: Metric):  # type: ignore[no-untyped-def]
    experiment = replace(find("noisy_neighbour"), metrics=metrics, comparisons=(), figures=())
    plan = make_plan(experiment, True, SETS, lambda kind: ("round_robin",))
    point = plan.points[0]
    return normalise(experiment, Captured(point, 0, pretend(experiment.machine(point)), "qemu"))


@pytest.mark.parametrize(
    "compute, message",
    [
        (lambda run: run.share(("victm",)), "no guest is named 'victm'; did you mean 'victim'"),
        (lambda run: run.entitlement(("victm",)), "no guest is named 'victm'"),
        (lambda run: run.progress("hog9").per_second, "no guest is named 'hog9'; did you mean 'hog1'"),
        (lambda run: len(run.marks("victim", "operation")), "unknown mark of a guest 'operation'"),
        (lambda run: run.point.number("hog"), "no factor or setting 'hog'; did you mean 'hogs'"),
        (lambda run: run.point.number("sched"), "factor sched has names; read it with point.text"),
        (lambda run: 1 / 0, r"metric mine: .*test_mistakes.py:\d+: ZeroDivisionError"),
    ],
)
def test_a_mistake_in_a_metric_is_one_line(compute, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BulkheadError, match=message):
        declared(Metric("mine", "1", "a mistake", compute))


def test_a_figure_of_a_metric_that_does_not_exist_is_refused() -> None:
    panel = Panel("thruput", Quantity("?"), "?")
    figure = Lines("wrong", "?", "hogs", "hogs", "sched", (panel,))
    experiment = replace(find("noisy_neighbour"), figures=(figure,))
    with pytest.raises(
        SpecError, match="figure wrong: no metric is named 'thruput'; did you mean 'throughput'"
    ):
        make_plan(experiment, True, SETS, lambda kind: ("round_robin",))


def test_a_duration_below_the_warm_up_is_refused() -> None:
    sets = (*SETS[:3], "duration_ms=100", "warm_up_ms=100", "drain_ms=20")
    with pytest.raises(SpecError, match="duration_ms=100 is over when warm_up_ms=100 is"):
        make_plan(find("noisy_neighbour"), True, sets, lambda kind: ("round_robin",))


def test_one_broken_file_breaks_no_other_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("weights", "theft_of_service"):
        (tmp_path / f"{name}.py").write_text((FOLDER / f"{name}.py").read_text())
    (tmp_path / "mine.py").write_text("EXPERIMENT = Experiment(\n")
    (tmp_path / "other.py").write_text("import nothing_of_that_name\n")
    found, broken = find_sound(tmp_path)
    assert [experiment.name for experiment in found] == ["theft_of_service", "weights"]
    assert [line.partition(" cannot")[0] for line in broken] == ["experiment mine", "experiment other"]
    assert "mine.py:1: " in broken[0] and "other.py:1: ModuleNotFoundError" in broken[1]
    with pytest.raises(BulkheadError, match="experiment mine cannot be loaded"):
        find("mine", tmp_path)
    assert "mine" in names(tmp_path)
    monkeypatch.setattr(find_sound, "__defaults__", (tmp_path, ""))
    assert main(["list", "experiments"]) == 0
    shown = capsys.readouterr()
    assert "theft_of_service" in shown.out and shown.err.count("\n") == 2 and "Traceback" not in shown.err
