"""Tests that need no machine: GoogleTest programs with sanitizers, policy properties, Python's own unit tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from bootstrap.build import build, build_dir

from bulkhead.base.paths import ROOT
from bulkhead.testing.case import FAILED, Case, junit_cases, shorten
from bulkhead.testing.system import pytest_cases

SANITIZED = "asan"
TEST_SECONDS = 120


def ctest_cases(label: str) -> list[Case]:
    """Build with sanitizers and run the tests of a label. A label without tests is a failure: something is not wired up."""
    build(SANITIZED, ["host_tests"])
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as scratch:
        report = Path(scratch) / "report.xml"
        jobs = f"-j{os.cpu_count() or 1}"
        result = subprocess.run(
            [
                "ctest",
                "-L",
                f"^{label}$",
                jobs,
                "--timeout",
                str(TEST_SECONDS),
                "--output-junit",
                str(report),
            ],
            cwd=build_dir(SANITIZED),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cases = junit_cases(report) if report.exists() else []
    return cases or [Case(f"no test has the label {label}", FAILED, shorten(result.stdout))]


def unit() -> list[Case]:
    """C++ under sanitizers, then Python."""
    return ctest_cases("unit") + pytest_cases(ROOT / "tests" / "python")


def policy() -> list[Case]:
    """Every policy's properties, in the very file that the hypervisor loads."""
    return ctest_cases("policy")


def sim() -> list[Case]:
    """The simulator's tests."""
    return ctest_cases("sim") if (ROOT / "sim").is_dir() else []
