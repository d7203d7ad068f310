"""The README's commands on a fresh machine: tests/fresh, a program of its own, because it needs no package itself."""

from __future__ import annotations

import json
import subprocess

from bulkhead.base.paths import ROOT
from bulkhead.testing.case import FAILED, Case
from bulkhead.testing.system import PYTHON


def fresh() -> list[Case]:
    """Takes longer than all other layers together, so it runs only when it is named. An interrupt waits for its clean-up."""
    command = [PYTHON, str(ROOT / "tests" / "fresh" / "run.py")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as program:
        try:
            said = program.communicate()[0]
        except BaseException:
            program.terminate()
            program.wait()
            raise
    cases = [Case(**json.loads(line)) for line in said.splitlines()]
    broken = program.returncode != 0 and not any(case.verdict == FAILED for case in cases)
    return [*cases, Case("tests/fresh", FAILED, f"exit status {program.returncode}")] if broken else cases
