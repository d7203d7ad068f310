"""Tests of the whole machine, and of the command itself: pytest in tests/system, a process for each file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bulkhead.base.paths import ROOT
from bulkhead.testing.case import FAILED, Case, junit_cases, shorten

PYTHON = "/usr/bin/python3"


def _file_cases(file: Path) -> list[Case]:
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as scratch:
        report = Path(scratch) / "report.xml"
        result = subprocess.run(
            [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(file)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'bindings'}:{ROOT}", "BULKHEAD_NO_BUILD": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cases = junit_cases(report) if report.exists() else []
    return cases or [Case(f"no test in {file.name}", FAILED, shorten(result.stdout))]


def pytest_cases(folder: Path) -> list[Case]:
    """Run pytest on a folder's files, as many at a time as there are processors."""
    files = sorted(folder.glob("test_*.py"))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        cases = [case for found in pool.map(_file_cases, files) for case in found]
    return cases or [Case(f"no test in {folder.name}", FAILED)]


def system() -> list[Case]:
    """Whole machines."""
    return pytest_cases(ROOT / "tests" / "system")
