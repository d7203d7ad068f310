"""Tests of the whole machine, and of the command itself: pytest in tests/system."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bulkhead.paths import ROOT
from bulkhead.testing.case import FAILED, Case, junit_cases, shorten

PYTHON = "/usr/bin/python3"


def pytest_cases(folder: Path) -> list[Case]:
    """Run pytest on a folder, showing its dots in a terminal."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as scratch:
        report = Path(scratch) / "report.xml"
        command = [
            PYTHON,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            str(folder),
        ]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'bindings'}:{ROOT}"}
        if sys.stderr.isatty():
            result = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr, text=True)
        else:
            result = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        cases = junit_cases(report) if report.exists() else []
    return cases or [Case(f"no test in {folder.name}", FAILED, shorten(result.stdout or ""))]


def system() -> list[Case]:
    """Whole machines."""
    return pytest_cases(ROOT / "tests" / "system")
