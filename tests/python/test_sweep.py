"""A sweep that was interrupted goes on where it was, and trusts nothing that was made otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bulkhead.experiment.runner import RunRequest, run_experiment

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
SETS = ("sched=round_robin", "victim=compute", "hogs=0,1", "duration_ms=150", "warm_up_ms=100")


def sweep(out: Path, *more: str):  # type: ignore[no-untyped-def]
    request = RunRequest("noisy_neighbour", True, (*SETS, *more), jobs=1, backend="sim", out=out, resume=True)
    return run_experiment(request).result


def runs(out: Path) -> dict[str, int]:
    """When each run was made."""
    folder = out / "runs" / "noisy_neighbour"
    return {path.name: (path / "point.json").stat().st_mtime_ns for path in folder.iterdir()}


def test_finished_points_are_kept_and_the_others_made(tmp_path: Path) -> None:
    whole = sweep(tmp_path)
    before = runs(tmp_path)
    lost = sorted(before)[1]
    written_last = tmp_path / "runs" / "noisy_neighbour" / lost / "point.json"
    written_last.unlink()  # so this run never ended
    assert sweep(tmp_path).points == whole.points
    after = runs(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {lost}
    sweep(tmp_path, "seed=2")  # another machine is another run
    assert all(runs(tmp_path)[name] != made for name, made in after.items())


MANY = [
    "noisy_neighbour",
    "--backend",
    "sim",
    "--quick",
    "--set",
    "sched=round_robin",
    "--set",
    "victim=responder",
]
MANY += ["--set", "hogs=1", "--set", "period_us=1000..1199", "--resume"]


def start(out: Path) -> subprocess.Popen[str]:
    words = [PYTHON, str(ROOT / "bulkhead"), "run", *MANY, "--out", str(out)]
    environment = {**os.environ, "BULKHEAD_NO_BUILD": "1"}
    return subprocess.Popen(
        words,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(out: Path) -> set[Path]:
    return set(out.glob("runs/noisy_neighbour/*/point.json"))


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    "number, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_sweep_that_is_stopped_leaves_nobody_and_keeps_what_it_has(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    sweep = start(tmp_path)
    wait_for(lambda: len(finished(tmp_path)) >= 8)
    if number == signal.SIGINT:
        os.killpg(sweep.pid, number)  # as a terminal does
    else:
        sweep.send_signal(number)
    _, said = sweep.communicate(timeout=30)
    assert sweep.returncode == status
    assert "Traceback" not in said
    wait_for(lambda: group_is_gone(sweep.pid), 20)
    kept = {path: path.stat().st_mtime_ns for path in finished(tmp_path)}
    assert 8 <= len(kept) < 200
    if number == signal.SIGKILL:
        again = start(tmp_path)
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0, said
        assert len(finished(tmp_path)) == 200
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
