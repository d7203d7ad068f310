"""Guest tests: a PV kernel that uses the ABI rightly and wrongly in a real machine and prints a verdict for each test.

The kernel is built for 64 and for 32 bits, and both run.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import test_image
from bulkhead.base.units import MIB, SECOND
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run
from bulkhead.model.spec import ABIS, WIDE, Guest, GuestDisk, GuestNet
from bulkhead.model.workloads import section_records
from bulkhead.testing.case import FAILED, PASSED, SKIPPED, Case, shorten

VERDICT = re.compile(r"^VERDICT (\S+) (success|skip|failure|error) ?(.*)$", re.MULTILINE)
VERDICT_OF = {"success": PASSED, "skip": SKIPPED}
GUEST = "test"
ALL_TOGETHER = "all"
ON_TWO_PCPUS = ("running_vcpu",)
TIME_OVER = 5  # exit status


def machine(test: str, abi: str = WIDE) -> Machine:
    """The machine of one boot of the test image; a test that needs them has two pCPUs."""
    guest = Guest(
        name=GUEST,
        kernel=str(test_image(abi)),
        cmdline=f"test={test}",
        memory=32 * MIB,
        vcpus=2,
        disks=(GuestDisk(MIB), GuestDisk(MIB, name="xvdb", read_only=True)),
        nets=(GuestNet(), GuestNet(name="eth1")),
    )
    return Machine(
        guests=(guest,),
        pcpus=2 if test in ON_TWO_PCPUS else 1,
        duration=20 * SECOND,
        memory=256 * MIB,
        console_rate=0,
    )


def _verdicts(run: Run) -> dict[str, Case]:
    console = run.consoles.get(GUEST, "")
    cases = {}
    for name, word, text in VERDICT.findall(console):
        verdict = VERDICT_OF.get(word, FAILED)
        cases[name] = Case(name, verdict, f"{word}: {text}" if verdict == FAILED else text)
    return cases


def _alone(name: str, abi: str) -> Case:
    """A test in a machine of its own; silence is a failure, and so is a frame table that no longer adds up."""
    try:
        run = machine(name, abi).run(RunOptions())
    except BulkheadError as error:
        return Case(name, FAILED, str(error))
    said = shorten(run.consoles.get(GUEST, "") + run.consoles.get("bulkhead", ""))
    case = _verdicts(run).get(name, Case(name, FAILED, f"no verdict; exit status {run.exit_status}\n{said}"))
    if run.exit_status == TIME_OVER:
        return Case(name, FAILED, f"the guest did not end\n{said}")
    if run.landmark.audit_failures:
        return Case(name, FAILED, f"the audit found {run.landmark.audit_failures} violations\n{said}")
    return case


def _together(names: list[str], abi: str) -> dict[str, Case]:
    """Verdicts of one boot with many tests; empty if that boot went wrong in any way, so that each is tried alone."""
    try:
        run = machine(ALL_TOGETHER, abi).run(RunOptions())
    except BulkheadError:
        return {}
    if run.exit_status != 0 or run.landmark.audit_failures:
        return {}
    return {name: case for name, case in _verdicts(run).items() if name in names and case.verdict != FAILED}


def _of_width(abi: str) -> list[Case]:
    """All tests of one width: those that can share a boot in one, the rest and every failure in machines of their own."""
    tests = {name: sort for sort, name, *_ in section_records(test_image(abi))}
    if not tests:
        return [Case("the image lists no test", FAILED, str(test_image(abi)))]
    cases = _together([name for name, sort in tests.items() if sort == "test"], abi)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        alone = pool.map(lambda name: _alone(name, abi), [name for name in tests if name not in cases])
        cases.update({case.name: case for case in alone})
    return [cases[name] for name in sorted(cases)]


def guest() -> list[Case]:
    """All guest tests in both widths; those of 32 bits say so in their names."""
    return [
        case if abi == WIDE else replace(case, name=f"{case.name} ({abi})")
        for abi in ABIS
        for case in _of_width(abi)
    ]
