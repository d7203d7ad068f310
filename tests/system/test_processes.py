"""However the command ends, no QEMU and no file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from bulkhead.backend.qemu.process import Process
from bulkhead.model.storage import load
from conftest import ROOT

LONG_RUN = ("boot", "--guest", "kernel=workload:cpu_hog", "--for", "1000s")
PATIENCE_SECONDS = 20.0


def children(pid: int) -> set[int]:
    """Live processes started by a process, and by those."""
    found: set[int] = set()
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    for child in (int(word) for path in listed for word in path.read_text(encoding="ascii").split()):
        found |= {child} | children(child)
    return found


def alive(pid: int) -> bool:
    """Running, not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: object) -> bool:
    """Whether a condition comes true in time."""
    assert callable(condition)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def qemus(pid: int) -> set[int]:
    """QEMUs below a process."""
    names = {child: Path(f"/proc/{child}/comm") for child in children(pid)}
    return {
        child for child, path in names.items() if path.exists() and path.read_text("ascii").startswith("qemu")
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_signal_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "BULKHEAD_NO_BUILD": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [str(ROOT / "bulkhead"), *LONG_RUN],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # The tests' own parent may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as process:
        try:
            assert wait_for(lambda: qemus(process.pid)), "QEMU never started"
            machines = qemus(process.pid)
            process.send_signal(number)
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode != 0
    assert wait_for(lambda: not any(map(alive, machines))), "QEMU outlived the command"
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_what_boot_has_and_says_where(tmp_path: Path) -> None:
    """A terminal sends the signal to the whole group of the command."""
    kept = tmp_path / "kept"
    with subprocess.Popen(
        [str(ROOT / "bulkhead"), *LONG_RUN, "--out", str(kept), "--watch"],
        env={**os.environ, "BULKHEAD_NO_BUILD": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            while "fallback" not in process.stderr.readline():
                pass
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=60)[1].splitlines()[-1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert said.startswith("bulkhead: interrupted after ") and said.endswith(f"is kept in {kept}"), said
    run = load(kept)
    assert len(run.trace) > 10 and not run.complete and run.lost_to == "ended before its time"


def test_the_emulators_threads_do_not_preempt_each_other(tmp_path: Path) -> None:
    environment = {**os.environ, "BULKHEAD_NO_BUILD": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [str(ROOT / "bulkhead"), *LONG_RUN],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as command:
        try:
            assert wait_for(lambda: qemus(command.pid))
            policies = {os.sched_getscheduler(pid) for pid in qemus(command.pid)}
            assert policies == {os.SCHED_BATCH}
        finally:
            command.terminate()


def test_an_interrupt_in_the_midst_of_a_wait_ends_the_machine(tmp_path: Path) -> None:
    """Popen.wait holds a lock for a moment, and the handler of a signal that comes then must not wait for it."""
    process = Process(["sleep", "1000"], (), tmp_path / "log")
    stopper = threading.Thread(target=process.stop, daemon=True)
    with process._process._waitpid_lock:  # type: ignore[attr-defined]
        stopper.start()
        stopper.join(PATIENCE_SECONDS)
        assert not stopper.is_alive(), "it waits for a lock that the interrupted code holds"
    assert wait_for(lambda: process.poll() is not None)
