"""The report of a test layer: cases with a verdict. No other value passes between a layer and the runner."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.tools import explain

from bulkhead.base.paths import ROOT

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
LONGEST_DETAIL = 40  # lines


@dataclass(frozen=True)
class Case:
    """One test's verdict; `detail` says why it failed or was skipped."""

    name: str
    verdict: str
    detail: str = ""


Layer = Callable[[], list[Case]]


def shorten(text: str) -> str:
    """The last lines of an output, which usually hold the reason."""
    return "\n".join(text.strip().splitlines()[-LONGEST_DETAIL:])


def command_case(name: str, command: Sequence[str], cwd: Path = ROOT) -> Case:
    """A command that passes if it exits with 0."""
    try:
        result = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError as error:
        return Case(name, FAILED, explain(error))
    return Case(name, PASSED) if result.returncode == 0 else Case(name, FAILED, shorten(result.stdout))


def junit_cases(path: Path) -> list[Case]:
    """The cases of a JUnit report, as ctest and pytest write it."""
    cases = []
    for element in ElementTree.parse(path).getroot().iter("testcase"):
        names = (element.get("classname", ""), element.get("name", ""))
        name = ".".join(dict.fromkeys(part for part in names if part))
        skipped = element.find("skipped")
        broken = [child for kind in ("failure", "error") for child in element.findall(kind)]
        if broken:
            text = broken[0].text or broken[0].get("message") or ""
            cases.append(Case(name, FAILED, shorten(text or element.findtext("system-out", ""))))
        elif skipped is not None:
            cases.append(Case(name, SKIPPED, skipped.get("message") or ""))
        else:
            cases.append(Case(name, PASSED))
    return cases
