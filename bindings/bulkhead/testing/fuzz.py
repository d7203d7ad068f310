"""Fuzzers, each for a few seconds: CTest's label "fuzz" in the clang build."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bootstrap.build import build, build_dir

from bulkhead.testing.case import FAILED, Case, junit_cases, shorten

PRESET = "clang"


def fuzz() -> list[Case]:
    """Build the fuzzers and run each briefly; a crash, a leak or a hang fails."""
    build(PRESET, ["fuzzers"])
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as scratch:
        report = Path(scratch) / "report.xml"
        result = subprocess.run(
            ["ctest", "-L", "^fuzz$", "-j2", "--timeout", "120", "--output-junit", str(report)],
            cwd=build_dir(PRESET),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cases = junit_cases(report) if report.exists() else []
    return cases or [Case("no fuzzer is built", FAILED, shorten(result.stdout))]
