"""The workers of a sweep: an interrupt is none of theirs, and one that dies takes nothing with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sweep import finished, start, wait_for


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(tmp_path)
    yield process
    for pid in others(process):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def field(pid: int, name: str) -> str:
    """A field of a process' status; empty if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":")[1].strip() for line in lines if line.startswith(f"{name}:")), "")


def others(process: subprocess.Popen[str]) -> list[int]:
    """The processes of a command's group without the command."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in found if pid != process.pid and group(pid) == process.pid]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except OSError:
        return ""


def group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def workers(process: subprocess.Popen[str]) -> list[int]:
    """They are forks of one process, a child of the command."""
    pids = others(process)
    own = [pid for pid in pids if field(pid, "PPid") == str(process.pid)]
    parents = [str(pid) for pid in own if "forkserver" in command(pid)]
    return [pid for pid in pids if field(pid, "PPid") in parents]


def hears_interrupts(pid: int) -> bool:
    deaf = [field(pid, name) for name in ("SigBlk", "SigIgn")]
    bit = 1 << (signal.SIGINT - 1)
    return all(deaf) and not any(int(mask, 16) & bit for mask in deaf)


def test_no_worker_hears_an_interrupt_from_its_birth_on(sweep: subprocess.Popen[str], tmp_path: Path) -> None:
    seen: set[int] = set()
    while len(finished(tmp_path)) < 8:
        born = set(workers(sweep))
        assert not [pid for pid in born if hears_interrupts(pid)]
        seen |= born
        assert sweep.poll() is None
    assert len(seen) == 2


def test_a_worker_that_dies_while_the_sweep_is_interrupted_holds_nobody(
    sweep: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for(lambda: len(finished(tmp_path)) >= 8)
    two = workers(sweep)
    for pid in two:
        os.kill(pid, signal.SIGSTOP)  # so that runs wait in the queue
    sweep.send_signal(signal.SIGINT)
    time.sleep(0.5)
    os.kill(two[0], signal.SIGKILL)
    time.sleep(0.5)
    os.kill(two[1], signal.SIGCONT)
    _, said = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "Traceback" not in said and "interrupted; " in said
