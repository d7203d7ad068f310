"""Guest tests: small PV kernels that use the ABI rightly and wrongly in a real machine and print a verdict."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from bulkhead.machine import RunOptions
from bulkhead.paths import ROOT, test_image
from bulkhead.spec import SECOND, BulkheadError, GuestSpec, Machine
from bulkhead.testing.case import FAILED, PASSED, SKIPPED, Case, shorten

VERDICT = re.compile(r"^verdict: (success|skip|error|failure|crash)\b:?\s*(.*)$", re.MULTILINE)
VERDICT_OF = {"success": PASSED, "skip": SKIPPED}


def names() -> list[str]:
    """Every guest test: one file each in tests/guest."""
    return sorted(path.stem for path in (ROOT / "tests" / "guest").glob("*.cpp") if path.stem != "main")


def machine(name: str) -> Machine:
    """The machine of one test."""
    return Machine(
        guests=(GuestSpec(name="test", kernel=str(test_image()), cmdline=f"test={name}", memory=32 << 20),),
        duration=10 * SECOND,
        memory=256 << 20,
    )


def run_test(name: str) -> Case:
    """Boot one test and read its verdict; silence is a failure."""
    try:
        run = machine(name).run(RunOptions())
    except BulkheadError as error:
        return Case(name, FAILED, str(error))
    console = run.consoles.get("test", "")
    verdicts = VERDICT.findall(console)
    if not verdicts:
        said = shorten(console + run.consoles.get("bulkhead", ""))
        return Case(name, FAILED, f"no verdict; exit status {run.exit_status}; {run.lost_to or ''}\n{said}")
    word, detail = verdicts[-1]
    verdict = VERDICT_OF.get(word, FAILED)
    if run.landmark.audit_failures:
        return Case(name, FAILED, f"the audit found {run.landmark.audit_failures} violations after the test")
    return Case(name, verdict, detail if verdict != FAILED else f"{word}: {detail}\n{shorten(console)}")


def guest() -> list[Case]:
    """All guest tests, several machines at a time."""
    if not test_image().is_file():
        return [Case("the guest tests' image is not built", FAILED, str(test_image()))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(run_test, names())) or [Case("there is no guest test", FAILED)]
