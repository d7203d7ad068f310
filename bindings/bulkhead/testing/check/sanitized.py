"""A policy built once more with address and undefined-behaviour sanitizers, and put through the properties of its kind.

Each property is a test of tests/policy or tests/sim and runs in a process of its own: what a sanitizer finds ends it.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap.build import build, build_dir

from bulkhead.base.paths import INSTALLED, KIND_FOLDER, ROOT, plugin_dirs
from bulkhead.base.sdk import RULES, carry_out, sdk
from bulkhead.policy.choose import ChosenPolicy
from bulkhead.policy.tables import PolicyTable
from bulkhead.testing.check.promises import Verdict
from bulkhead.testing.host import SANITIZED

PROGRAM = "policy_check"
SECONDS = 120  # for one property
CLEAN = "makes no memory error and does nothing undefined"
# Where a suite of tests has its machines from.
PLACES = {"Properties": "a host that differs from the hypervisor"}
ELSEWHERE = "the simulator"
ADDRESS = re.compile(r"ERROR: AddressSanitizer: (\S+)")
UNDEFINED = re.compile(r"([^/\s:]+:\d+):\d+: runtime error: (.*)")
THROWN = re.compile(r'with description "(.*)"')
LONGEST = 140  # characters of a detail


@dataclass(frozen=True)
class _Found:
    """What came of one property."""

    holds: bool
    why: str
    by_sanitizer: bool = False
    ended: bool = True


def source_of(table: PolicyTable) -> Path | None:
    """The C++ file of a policy's file: in the checkout, beside it, or above the `build` that it is in."""
    folder, name = table.path.resolve().parent, f"{table.path.stem}.cpp"
    if folder == plugin_dirs()[table.kind].resolve():
        return ROOT / KIND_FOLDER[table.kind] / name
    return next((at / name for at in (folder, folder.parent) if (at / name).is_file()), None)


def sanitized(chosen: ChosenPolicy) -> Iterator[Verdict]:
    """Each property of the policy's kind, and whether a sanitizer found anything in one of them."""
    table = chosen.policy
    if table.path.suffix != ".so":
        yield Verdict(CLEAN, None, "not tried: sanitizers are for C++, and this policy is in Python")
        return
    source = source_of(table)
    if INSTALLED or source is None:
        why = "it needs a checkout" if INSTALLED else f"{table.path.stem}.cpp is not beside {table.path.name}"
        yield Verdict(CLEAN, None, f"not tried: {why}")
        return
    build(SANITIZED, [PROGRAM])
    file = _built(table, source)
    words = [str(build_dir(SANITIZED) / "tests" / PROGRAM), str(file), ",".join(map(str, chosen.values))]
    try:
        listed = _call(words, "--gtest_list_tests")
    except subprocess.TimeoutExpired:
        yield Verdict(CLEAN, False, f"loading it has no end within {SECONDS} s")
        return
    if listed.returncode != 0:
        yield Verdict(CLEAN, False, f"it cannot be loaded: {_reason(listed.stdout, source).why}")
        return
    tests = _tests(listed.stdout)
    first: _Found | None = None
    unknown = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for test, found in zip(tests, pool.map(functools.partial(_run, words, source), tests)):
            suite, name = test.partition("/")[2].split("/")[0].split(".")
            where = f"with sanitizers, in {PLACES.get(suite, ELSEWHERE)}"
            yield Verdict(_words(name), found.holds, where if found.holds else found.why)
            first = first or (found if found.by_sanitizer else None)
            unknown += not found.ended
    where = f"{len(tests)} properties with address and undefined-behaviour sanitizers"
    if first is None and (unknown > 0 or not tests):
        yield Verdict(CLEAN, None, f"not known: {unknown} of {len(tests)} properties did not end")
    else:
        yield Verdict(CLEAN, first is None, where if first is None else first.why)


def _words(name: str) -> str:
    """The name of a test as a sentence."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower().replace("vcpu", "vCPU").replace("pcpu", "pCPU")


def _built(table: PolicyTable, source: Path) -> Path:
    """The policy's file with sanitizers. BuildError or BulkheadError if it does not build."""
    folder, name = KIND_FOLDER[table.kind], source.stem
    if source.parent == ROOT / folder:
        build(SANITIZED, [f"{folder}_{name}_checked"])
        return build_dir(SANITIZED) / "checked" / folder / f"{name}.so"
    made = source.parent / "build" / "checked"
    options = ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DBULKHEAD_HOST_SANITIZERS=ON"]
    carry_out(source, "cmake", "-S", sdk() / RULES, "-B", made, f"-DFOLDER={source.parent}", *options)
    carry_out(source, "cmake", "--build", made, "--target", f"policies_{name}_checked", "--", "--quiet")
    return made / "checked" / "policies" / f"{name}.so"


def _call(words: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=0"}
    return subprocess.run(
        [*words, "--gtest_color=no", *more],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS,
    )


def _tests(listed: str) -> list[str]:
    """Full names of the tests that there are for this policy, from GoogleTest's list."""
    tests, suite = [], ""
    for line in listed.splitlines():
        name = line.partition("#")[0].rstrip()
        if not name.startswith("  "):
            suite = name
        elif "/" in suite:  # not GoogleTest's complaints of the suites of other kinds
            tests.append(suite + name.strip())
    return tests


def _run(words: list[str], source: Path, test: str) -> _Found:
    try:
        done = _call(words, f"--gtest_filter={test}")
    except subprocess.TimeoutExpired:
        return _Found(False, f"no end within {SECONDS} s", ended=False)
    if done.returncode == 0:
        return _Found(True, "")
    return _reason(done.stdout, source)


def _reason(said: str, source: Path) -> _Found:
    """Why a test failed, in a line."""
    if found := UNDEFINED.search(said):
        return _Found(False, f"{found[1]}: {found[2]}", True)
    if found := ADDRESS.search(said):
        place = re.search(rf"{re.escape(source.name)}:\d+", said[found.end() :])
        return _Found(False, f"{found[1]}{f' at {place[0]}' if place else ''}", True)
    if found := THROWN.search(said):
        return _Found(False, found[1][:LONGEST])
    _, _, failure = said.partition("Failure\n")
    return _Found(False, " ".join((failure or said).split("[  FAILED")[0].split())[:LONGEST])
