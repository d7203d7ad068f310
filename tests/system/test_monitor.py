"""What happens to the emulator from outside does not show in a run: here its main thread is kept busy."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from machines import MILLISECOND, boot, scheduler, workload

from bulkhead import Run
from bulkhead.backend.qemu import process

QUESTIONS = 100  # at once


def ask(path: Path, over: threading.Event, answers: list[int]) -> None:
    """Ask the monitor at `path` how the machine is, without a pause, until `over`; counts the answers."""
    with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("rw") as talk:
        while monitor.connect_ex(str(path)) != 0 and not over.is_set():
            time.sleep(0.001)
        try:
            talk.readline()
            talk.write('{"execute": "qmp_capabilities"}\n')
            talk.flush()
            talk.readline()
            while not over.is_set():
                talk.write((json.dumps({"execute": "query-status"}) + "\n") * QUESTIONS)
                talk.flush()
                for _ in range(QUESTIONS):
                    answers[0] += "return" in talk.readline()
        except OSError:  # the machine is off
            return


@contextmanager
def asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Machines that run meanwhile have a monitor that is asked all the time; gives the number of answers."""
    plain = process.command

    def with_monitor(*arguments: Any, **named: Any) -> list[str]:
        return [*plain(*arguments, **named), "-qmp", f"unix:{path},server=on,wait=off"]

    over, answers = threading.Event(), [0]
    with monkeypatch.context() as patch:
        patch.setattr(process, "command", with_monitor)
        thread = threading.Thread(target=ask, args=(path, over, answers))
        thread.start()
        try:
            yield answers
        finally:
            over.set()
            thread.join()


def mostly_idle() -> Run:
    """A machine whose processor halts hundreds of times."""
    return boot(
        workload("responder", "peer=pinger"),
        workload("pinger", "peer=responder period_us=300"),
        sched=scheduler(),
        duration=300 * MILLISECOND,
    )


def test_questions_to_the_monitor_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = mostly_idle()
    assert len(calm.select("idle_in")) > 500
    for i in range(3):
        with asked(tmp_path / f"monitor{i}", monkeypatch) as answers:
            busy = mostly_idle()
        assert answers[0] > QUESTIONS
        assert busy.trace_sha256 == calm.trace_sha256
