"""One run in other forms: waits are those of the trace, and the files say what the trace says, read by other programs."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bulkhead import Guest, Machine, Policy
from bulkhead.backend.sim import simulate
from bulkhead.base.schema import event_number
from bulkhead.base.text import format_ns
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.metrics import Window, longest_wait, run_intervals, runnable_intervals, trace_of
from bulkhead.metrics.waits import cause, longest, ran_during, waits
from bulkhead.model import storage
from bulkhead.model.run import Run
from bulkhead.study.explain import EJECTION, SHOWN, ejection
from bulkhead.study.names import Names
from bulkhead.study.perfetto import message
from synthetic import Script

MS = 1_000_000


@pytest.fixture(scope="module")
def run() -> Run:
    guests = (
        Guest("web", "workload:responder", "peer=pinger", memory=4 * MIB, affinity=(0,)),
        Guest("pinger", "workload:pinger", "peer=web", memory=4 * MIB),
        Guest("hog1", "workload:cpu_hog", memory=4 * MIB),
        Guest("hog2", "workload:cpu_hog", memory=4 * MIB),
    )
    return simulate(Machine(guests=guests, pcpus=2, sched=Policy("credit"), duration=100 * MS))


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    storage.save(run, path)
    return path


def lines(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out.splitlines()


def test_waits_of_a_trace_that_is_known() -> None:
    script = (
        Script().woke(10, 1).woke(12, 2).ran(20, 30, 1, "slice_end").ran(31, 45, 2, "blocked").ran(46, 60, 1)
    )
    trace = script.trace(0, 60)
    found = [(wait.domain, wait.window.start, wait.window.end) for wait in waits(trace)]
    assert found == [(1, 10, 20), (2, 12, 31), (1, 30, 46)]
    worst = longest(waits(trace))
    assert worst is not None and (worst.domain, worst.window.length) == (2, 19)
    assert longest([]) is None
    assert [(row.domain, row.times, row.ns) for row in ran_during(trace, Window(25, 46))] == [
        (2, 1, 14),
        (1, 1, 5),
    ]
    names = [int(cause(trace, wait)[0]["event"]) for wait in waits(trace)]
    assert names == [trace.number("wake"), trace.number("wake"), trace.number("run_out")]


def test_waits_fill_what_runnable_intervals_leave_of_running(run: Run) -> None:
    trace = trace_of(run)
    for domain in (1, 2, 3, 4):
        waited = sum(wait.window.length for wait in waits(trace, [(domain, 0)]))
        wanted, ran = runnable_intervals(trace).of_domain(domain), run_intervals(trace).of_domain(domain)
        assert waited == wanted.total - ran.total
        worst = longest(waits(trace, [(domain, 0)]))
        assert worst is not None and worst.window.length == longest_wait(ran, wanted, trace.whole)


def test_the_longest_wait_is_explained(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(capsys, "explain", folder, "--vcpu", "web.0", "--longest")
    worst = longest(waits(trace_of(run), [(run.domain_id("web"), 0)]))
    assert worst is not None
    start = f"{(worst.window.start - run.landmark.started) / 1e6:.6f} ms"
    assert said[0].startswith("web.0 waited ") and f"from {start}" in said[0]
    assert "the policy credit" in said[2] and "web has weight 256, no cap, pCPUs 0 only." in said
    parts = [float(line.split()[-2]) for line in said if line.endswith(" %")]
    assert len(parts) >= 3 and sum(parts) == pytest.approx(100, abs=0.5), "all pCPU time is accounted for"
    middle = (worst.window.start + worst.window.end) // 2 - run.landmark.started
    assert lines(capsys, "explain", folder, "--vcpu", "web", "--at", f"{middle}ns") == said


def test_running_and_sleeping_are_said_too(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = run_intervals(trace_of(run)).of_domain(run.domain_id("hog1"))
    inside = int(own.start[5]) + 10 - run.landmark.started
    said = lines(capsys, "explain", folder, "--vcpu", "hog1.0", "--at", f"{inside}ns")
    assert len(said) == 1 and said[0].startswith("hog1.0 was running at ")
    wanted = runnable_intervals(trace_of(run)).of_domain(run.domain_id("web"))
    asleep = int(wanted.end[5]) + 10 - run.landmark.started
    said = lines(capsys, "explain", folder, "--vcpu", "web", "--at", f"{asleep}ns")
    assert said[0].startswith("web.0 did not want to run at ") and ": blocked from " in said[0]


@pytest.mark.parametrize(
    "words, message",
    [
        (("--vcpu", "wib.0", "--longest"), "the run has no domain 'wib'; did you mean 'web'"),
        (("--vcpu", "web.0"), "write --at 123.4ms for an instant, or --longest"),
        (("--vcpu", "web.0", "--at", "5s"), "--at 5s is outside the run, which ends at "),
        (("--vcpu", "web.0", "--at", "soon"), "'soon' is not a duration"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_perfetto_decodes_to_what_the_trace_says(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.perfetto-trace"
    assert main(["trace", str(folder), "--to", "perfetto", "--out", str(path)]) == 0
    trace = message("Trace").FromString(path.read_bytes())
    names = {
        p.track_descriptor.uuid: p.track_descriptor.name
        for p in trace.packet
        if p.HasField("track_descriptor")
    }
    assert {"pCPUs", "pCPU 0", "pCPU 1", "web.0", "hog2.0", "vCPUs that wait"} <= set(names.values())
    assert len(names) == len([p for p in trace.packet if p.HasField("track_descriptor")])
    events = [(p.timestamp, p.track_event) for p in trace.packet if p.HasField("track_event")]
    assert [time for time, _ in events] == sorted(time for time, _ in events)
    begins = [
        (t, e) for t, e in events if e.type == 1 and names[e.track_uuid] == "web.0" and e.name == "running"
    ]
    own = run_intervals(trace_of(run)).of_domain(run.domain_id("web"))
    assert sorted(t for t, _ in begins) == sorted(own.start.tolist())
    depth: dict[int, int] = {}
    for _, event in events:  # begins and ends of a track are pairs, and never nest
        step = {1: 1, 2: -1}.get(event.type, 0)
        depth[event.track_uuid] = depth.get(event.track_uuid, 0) + step
        assert 0 <= depth[event.track_uuid] <= 1
    assert not any(depth.values())
    sources = {flow: time for time, e in events for flow in e.flow_ids}
    targets = {flow: time for time, e in events for flow in e.terminating_flow_ids}
    assert set(sources) == set(targets) and len(sources) > 50
    assert all(sources[flow] <= targets[flow] for flow in sources), "from the wake to the run"
    counts = [e.counter_value for _, e in events if e.type == 4]
    assert min(counts) == 0 and max(counts) >= 1


def test_chrome_has_the_same_slices_and_flows(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert main(["trace", str(folder), "--to", "chrome", "--out", str(path)]) == 0
    events = json.loads(path.read_text())["traceEvents"]
    ran = [e for e in events if e["ph"] == "X" and e["name"] == "running"]
    assert len(ran) == len(run_intervals(trace_of(run)))
    assert sum(e["dur"] for e in ran) == pytest.approx(run_intervals(trace_of(run)).total / 1e3)
    assert {e["id"] for e in events if e["ph"] == "s"} == {e["id"] for e in events if e["ph"] == "f"}
    threads = {e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert {"pCPU 0", "web.0", "dom0.0"} <= threads


def test_csv_and_npz_have_every_record(run: Run, folder: Path, tmp_path: Path) -> None:
    for form in ("csv", "npz"):
        assert main(["trace", str(folder), "--to", form, "--out", str(tmp_path / f"t.{form}")]) == 0
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["time_ns"]) for row in rows] == run.trace["time"].tolist()
    web = [row for row in rows if row["event"] == "run_in" and row["domain"] == "web"]
    assert len(web) == len(run.select("run_in", "web")) > 10
    with np.load(tmp_path / "t.npz") as columns:
        assert columns["a"].tolist() == run.trace["a"].tolist()
        names = columns["event_names"][columns["event"]]
        assert (names == "run_in").sum() == len(run.select("run_in"))


@pytest.mark.skipif(shutil.which("babeltrace2") is None, reason="no babeltrace2")
def test_babeltrace_reads_the_ctf(run: Run, folder: Path, tmp_path: Path) -> None:
    assert main(["trace", str(folder), "--to", "ctf", "--out", str(tmp_path / "ctf")]) == 0
    said = subprocess.run(
        ["babeltrace2", "--clock-cycles", str(tmp_path / "ctf")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(said) == len(run.trace)
    last = run.select("run_in")[-1]
    line = [one for one in said if " run_in: " in one][-1]
    assert f"[{int(last['time']):020}]" in line and f"a = {last['a']}, b = {last['b']}" in line


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_gantt_is_drawn_and_the_same_each_time(form: str, folder: Path, tmp_path: Path) -> None:
    words = [
        "trace",
        str(folder),
        "--to",
        "gantt",
        "--from",
        "20ms",
        "--until",
        "40ms",
        "--mark",
        "30ms",
        "--out",
    ]
    paths = [tmp_path / f"{name}.{form}" for name in "ab"]
    assert [main([*words, str(path)]) for path in paths] == [0, 0]
    assert paths[0].read_bytes() == paths[1].read_bytes() and paths[0].stat().st_size > 1000
    if form == "svg":
        assert "<svg" in paths[0].read_text()


def test_gantt_shows_rows_and_all_running_time(run: Run) -> None:
    from bulkhead.figures.gantt import draw_gantt

    names = Names(run)
    window = Window(names.origin + 20 * MS, names.origin + 40 * MS)
    axes = draw_gantt(names, window, [names.origin + 30 * MS]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["pCPU 0", "pCPU 1"]
    assert axes.get_xlim() == pytest.approx((20, 40))
    width = sum(
        box.width
        for bars in axes.collections
        for box in (path.get_extents() for path in bars.get_paths())
        if -0.5 < box.y0 < 0.5 and box.height > 0.5
    )
    on_first = run_intervals(trace_of(run)).clip(window)
    assert width == pytest.approx(on_first.where(on_first.pcpu == 0).total / 1e6)


@pytest.mark.parametrize(
    "words, message",
    [
        (("--to", "perfeto"), "unknown format 'perfeto'; did you mean 'perfetto'"),
        (("--to", "csv", "--from", "1ms"), "--from, --until and --mark are for --to gantt"),
        (("--to", "gantt", "--out", "x.gif"), "write a name that ends in .png, .pdf, .svg"),
        (("--to", "gantt", "--from", "9ms", "--until", "3ms"), "--until 3ms is not after --from 9ms"),
    ],
)
def test_a_trace_that_cannot_be_written(
    words: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", str(folder), *words]) == 2
    assert message in capsys.readouterr().err


def starved() -> list[str]:
    """Words of a run whose policy runs one vCPU and forgets the others."""
    guests = [
        word for name in ("one", "two") for word in ("--guest", f"kernel=workload:cpu_hog,name={name},mem=4M")
    ]
    return ["boot", "--backend", "sim", *guests, "--sched", "chaos:mode=15", "--for", "6s", "--mem", "128M"]


def test_an_ejection_names_the_waiting_vcpu_and_what_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*starved(), "--out", str(tmp_path)]) == 5
    shown = capsys.readouterr().out
    kept = (tmp_path / EJECTION).read_text()
    assert all(f"   {line}" in shown for line in kept.splitlines())
    run = storage.load(tmp_path)
    head = kept.splitlines()[0]
    assert head.startswith("scheduler chaos was ejected at ") and "starvation in the hook " in head
    assert int(run.select("policy_eject")["time"][0]) == pytest.approx(
        run.landmark.policies[0].ejected_at, abs=1000
    )
    assert "The longest wait then: " in kept and "What ran meanwhile" in kept and " decisions:" in kept
    assert lines(capsys, "explain", tmp_path) == kept.splitlines()
    told = decisions_before(run, run.landmark.policies[0].ejected_at)
    assert told and kept.splitlines()[-len(told) :] == told


def decisions_before(run: Run, at: int) -> list[str]:
    """The last decisions in the trace as the message has them."""
    records = run.trace[np.isin(run.trace["event"], [event_number("run_in"), event_number("idle_in")])]
    names = {run.domain_id(guest.name): guest.name for guest in run.machine.guests}
    found = []
    for record in records[records["time"] < at][-SHOWN:]:
        when = f"  {(int(record['time']) - run.landmark.started) / 1e6:.6f} ms pCPU {record['pcpu']}"
        who = names.get(int(record["domain"]), "dom0")
        if record["event"] == event_number("idle_in"):
            found.append(f"{when}: idle")
        else:
            length, wait = format_ns(int(record["a"])), format_ns(int(record["b"]))
            found.append(f"{when}: {who}.{record['vcpu']} for {length}, after a wait of {wait}")
    return found


def test_the_last_decisions_are_told_though_nobody_waited_long(tmp_path: Path) -> None:
    guests = [
        "--guest",
        "kernel=workload:yield_storm,name=one,mem=4M",
        "--guest",
        "kernel=workload:cpu_hog,name=two,mem=4M",
    ]
    words = [
        "boot",
        "--backend",
        "sim",
        *guests,
        "--sched",
        "chaos:mode=1,after=90000",
        "--for",
        "100ms",
        "--mem",
        "128M",
    ]
    main([*words, "--out", str(tmp_path)])
    run, kept = storage.load(tmp_path), (tmp_path / EJECTION).read_text().splitlines()
    report = run.landmark.policies[0]
    assert f"{report.ejected} in the hook {report.hook}, {report.why}" in kept[0] and report.why
    assert kept[-SHOWN:] == decisions_before(run, report.ejected_at)
    assert any("one.0 for " in line for line in kept[-SHOWN:])


def test_no_ejection_no_file(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ejection(Names(run)) == [] and not (folder / EJECTION).exists()
    assert lines(capsys, "explain", folder)[0].startswith("No policy was ejected")
    lossy = replace(run, landmark=replace(run.landmark, trace_lost=(3, 0)))
    assert Names(lossy, incomplete=True).trace.records is lossy.trace
