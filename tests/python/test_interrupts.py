"""Ctrl-C: what is kept is good, and the command says what it is and how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead import MIB, Guest, GuestDisk, Machine
from bulkhead.base.errors import BulkheadError, Interrupted
from bulkhead.experiment import identity
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.experiment.progress import Silent
from bulkhead.experiment.stages import Capturing, capture_stage
from bulkhead.model import storage
from pretend import VERSIONS, cut_short, pretend
from test_sweep import finished, start, wait_for

SETS = (
    "sched=round_robin,credit",
    "hogs=0,1",
    "duration_ms=100",
    "warm_up_ms=20",
    "drain_ms=20",
    "victim=compute",
)


def capture(out, backend, resume=False):  # type: ignore[no-untyped-def]
    plan = make_plan(find("noisy_neighbour"), True, SETS, lambda kind: ("round_robin", "credit"))
    return capture_stage(plan, out, Capturing(1, 1, resume=resume), {"qemu": backend}, Silent())


def places(out: Path) -> list[str]:
    return sorted(path.parent.name for path in out.rglob("point.json"))


def test_a_run_without_an_end_of_its_own_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(BulkheadError, match="host timeout"):
        capture(tmp_path, cut_short)
    assert places(tmp_path) == []
    assert len(capture(tmp_path, pretend, resume=True)) == 4 and len(places(tmp_path)) == 4


def test_a_run_that_lost_records_is_not_finished(tmp_path: Path) -> None:
    def lossy(machine, options):  # type: ignore[no-untyped-def]
        run = pretend(machine, options)
        return replace(run, landmark=replace(run.landmark, trace_lost=(7,)))

    with pytest.raises(BulkheadError, match="7 trace records did not fit"):
        capture(tmp_path, lossy)
    assert places(tmp_path) == []
    assert len(capture(tmp_path, pretend, resume=True)) == 4 and len(places(tmp_path)) == 4


def test_a_finished_run_is_of_each_commit_with_the_same_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_commit(digit: str) -> list[str]:
        """The commits that the captured runs state, with what is made of this commit's files."""
        versions = replace(VERSIONS, commit=digit * 40)
        monkeypatch.setattr(identity, "versions", lambda qemu=None: versions)
        captured = capture(tmp_path, lambda *run: calls.append(run) or pretend(*run), resume=True)
        return [one.run.versions.commit for one in captured]

    calls: list[object] = []
    assert at_commit("0") == ["0" * 40] * 4 and len(calls) == 4
    assert at_commit("1") == ["1" * 40] * 4 and len(calls) == 4
    assert at_commit("1") == ["1" * 40] * 4 and len(calls) == 4
    monkeypatch.setattr(identity, "_code", lambda backend: "changed")
    assert (
        at_commit("1") == ["0" * 40] * 4 and len(calls) == 8
    ), "they are made again, by the pretended back end"


def test_a_disks_contents_are_an_input(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    disk = GuestDisk(image=str(image))
    machine = Machine(guests=(Guest("one", "workload:compute", memory=4 * MIB, disks=(disk,)),))
    before = identity.identity(machine, "qemu")
    image.write_bytes(b"x" + bytes((1 << 20) - 1))
    identity._file_hash.cache_clear()  # one command, one state of the files
    assert identity.identity(machine, "qemu") != before


def test_an_interrupt_says_what_is_kept(tmp_path: Path) -> None:
    calls = []

    def interrupted(machine, options):  # type: ignore[no-untyped-def]
        calls.append(machine)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pretend(machine, options)

    with pytest.raises(
        Interrupted, match=r"interrupted; [23] of 4 runs are finished and kept in .*noisy_neighbour"
    ):
        capture(tmp_path, interrupted)
    assert len(places(tmp_path)) == len(calls) - 1
    assert len(capture(tmp_path, pretend, resume=True)) == 4


def test_the_command_says_how_to_go_on(tmp_path: Path) -> None:
    sweep = start(tmp_path)
    wait_for(lambda: len(finished(tmp_path)) >= 4)
    os.killpg(sweep.pid, signal.SIGINT)
    _, said = sweep.communicate(timeout=30)
    last = said.splitlines()[-1]
    assert sweep.returncode == 130 and last.startswith("bulkhead: interrupted; "), said
    assert " of 200 runs are finished and kept in " in last
    assert "; to go on: ./bulkhead run noisy_neighbour --backend sim " in last and last.count("--resume") == 1


def test_boot_keeps_what_there_is(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    words = ["boot", "--backend", "sim", "--guest", "kernel=workload:timer_storm,mem=4M", "--mem", "128M"]
    process = subprocess.Popen(
        [str(root / "bulkhead"), *words, "--for", "4000s", "--out", str(tmp_path / "kept"), "--watch"],
        env={**os.environ, "BULKHEAD_NO_BUILD": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first sample: it is under way
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert f"the run until then is kept in {tmp_path}/kept" in said.splitlines()[-1]
    assert len(storage.load(tmp_path / "kept").trace) > 2
