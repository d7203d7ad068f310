"""How a run ends is what the command's exit status says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import Result
from machines import CRASHED, POWERED_OFF, assert_sound, boot, said, workload

from bulkhead.model.storage import load


def test_all_off() -> None:
    run = boot(workload("compute", "for_ms=20"))
    assert run.exit_status == 0, said(run)
    assert run.landmark.ledger["compute"].shutdown_reason == POWERED_OFF
    assert "RESULT name=compute" in run.consoles["compute"]
    assert_sound(run)


def test_time_over() -> None:
    run = boot(workload("cpu_hog"))
    assert run.exit_status == 5, said(run)
    assert_sound(run)


def test_guest_crashed() -> None:
    run = boot(workload("die_first"), workload("compute", "for_ms=20"))
    assert run.exit_status == 3, said(run)
    assert run.landmark.ledger["die_first"].shutdown_reason == CRASHED
    assert run.landmark.ledger["compute"].shutdown_reason == POWERED_OFF
    assert_sound(run)


def test_the_command_says_the_same(command: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "run"
    guest = "kernel=workload:compute,name=worker,cmdline=for_ms=20"
    result = command("boot", "--guest", guest, "--for", "300ms", "--out", str(out))
    assert result.returncode == 0, result.stderr
    assert "worker| RESULT name=compute" in result.stdout
    assert "all guests powered off" in result.stdout and "R_max" in result.stdout
    run = load(out)
    assert run.exit_status == 0 and run.machine.guests[0].name == "worker"
    assert len(run.trace) == sum(run.landmark.trace_written)
    assert command("boot", "--guest", guest.replace("for_ms=20", "for_ms=0"), "--for", "50ms").returncode == 5


def test_one_console_only(command: Callable[..., Result]) -> None:
    guests = (
        "--guest",
        "kernel=workload:compute,name=a,cmdline=for_ms=20",
        "--guest",
        "kernel=workload:cpu_hog,name=b",
    )
    result = command("boot", *guests, "--for", "200ms", "--console", "a")
    assert "RESULT name=compute" in result.stdout
    assert "cpu_hog" not in result.stdout and "a|" not in result.stdout
