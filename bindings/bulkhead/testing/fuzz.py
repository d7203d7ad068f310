"""Fuzzers: each for seconds as CTest's label "fuzz" in the clang build, or for as long as is asked, with corpora that stay."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.build import build, build_dir

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import ROOT
from bulkhead.base.text import suggest
from bulkhead.testing.case import FAILED, PASSED, Case, junit_cases, shorten

PRESET = "clang"
LIMIT = "-max_total_time="  # the argument that only fuzzers have
LENGTHS = ("-len_control=", "-max_len=")  # of its inputs
INPUT_SECONDS = 10  # an input that takes longer is a hang
CORPORA = ROOT / "out" / "fuzz"


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


@dataclass(frozen=True)
class Fuzzer:
    """A libFuzzer program and the folders of inputs that it starts from."""

    name: str
    program: str
    seeds: tuple[str, ...]
    lengths: tuple[str, ...] = ()  # arguments that say how long its inputs are

    def command(self, seconds: int, corpora: Path) -> list[str]:
        """Its command line for so long. What it finds stays below `corpora`."""
        corpus = corpora / self.name
        corpus.mkdir(parents=True, exist_ok=True)
        return [
            self.program,
            f"{LIMIT}{seconds}",
            f"-timeout={INPUT_SECONDS}",
            "-print_final_stats=1",
            *self.lengths,
            f"-artifact_prefix={corpora / (self.name + '-')}",
            str(corpus),
            *self.seeds,
        ]


def parse_fuzzers(listing: str) -> dict[str, Fuzzer]:
    """The fuzzers in CTest's description of its tests, by name. Replays of fixed inputs are not among them."""
    found = {}
    for test in json.loads(listing)["tests"]:
        program, *arguments = test.get("command", [""])
        if any(argument.startswith(LIMIT) for argument in arguments):
            folders = [argument for argument in arguments if not argument.startswith("-")]
            lengths = [argument for argument in arguments if argument.startswith(LENGTHS)]
            found[test["name"]] = Fuzzer(test["name"], program, tuple(folders), tuple(lengths))
    return found


def built_fuzzers() -> dict[str, Fuzzer]:
    """Build all fuzzers. BulkheadError if there is none."""
    build(PRESET, ["fuzzers"])
    listing = subprocess.run(
        ["ctest", "-L", "^fuzz$", "--show-only=json-v1"],
        cwd=build_dir(PRESET),
        capture_output=True,
        text=True,
    )
    found = parse_fuzzers(listing.stdout) if listing.returncode == 0 else {}
    if not found:
        raise BulkheadError(f"no fuzzer is built: {shorten(listing.stderr)}")
    return found


def fuzz_for(names: Sequence[str], nanoseconds: int, corpora: Path = CORPORA) -> list[Case]:
    """Run these fuzzers, or all, in turn; each has an equal part of the time. Corpora and crashing inputs stay."""
    known = built_fuzzers()
    for name in names:
        if name not in known:
            raise SpecError(f"fuzz: unknown fuzzer '{name}'{suggest(name, known)}")
    chosen = list(dict.fromkeys(names or known))
    seconds = max(1, nanoseconds // len(chosen) // 1_000_000_000)
    cases = []
    for name in chosen:
        result = subprocess.run(
            known[name].command(seconds, corpora),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        stats = dict(
            line.removeprefix("stat::").split(":", 1)
            for line in result.stdout.splitlines()
            if line.startswith("stat::")
        )
        done = stats.get("number_of_executed_units", "?").strip()
        print(f"{name}: {done} inputs in {seconds} s", flush=True)
        good = result.returncode == 0
        cases.append(Case(name, PASSED) if good else Case(name, FAILED, shorten(result.stdout)))
    return cases
