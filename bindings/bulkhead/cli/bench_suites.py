"""The Google Benchmark programs behind `bulkhead bench policies`, `simulator` and `trace`: built, run, their rows read."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bootstrap.build import build, build_dir

from bulkhead.base.errors import BulkheadError

COUNTERS = "CYCLES,INSTRUCTIONS"
LACKS = "not supported"  # what the library says of counters that it was built without


@dataclass(frozen=True)
class Suite:
    """A program, the counter that its rows are about (or their time), and how to call it."""

    target: str
    counter: str | None
    title: str


SUITES = {
    "policies": Suite("bench_sched", None, "policy / step / vCPUs, or domains | ns"),
    "trace": Suite("trace_bench", "records/s", "step / machine | records per second of CPU time"),
    "simulator": Suite(
        "sim_bench", "decisions/s", "scheduler / guests / vCPUs | decisions per second of CPU time"
    ),
}


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _counts(program: str) -> bool:
    """Whether the library reads the processor's counters on this machine."""
    words = [program, f"--benchmark_perf_counters={COUNTERS}", "--benchmark_list_tests=true"]
    said = _run(words)
    return said.returncode == 0 and LACKS not in said.stderr


def rows(suite: Suite, minimum_seconds: float, only: str | None = None) -> list[dict[str, Any]]:
    """One for each benchmark, as the library writes them; with the processor's counters where it reads them.

    `only` is a regular expression of names. BulkheadError if the program fails.
    """
    build("release", [suite.target])
    program = str(build_dir("release") / "tests" / suite.target)
    words = [program, "--benchmark_format=json", f"--benchmark_min_time={minimum_seconds}"]
    if only is not None:
        words.append(f"--benchmark_filter={only}")
    if _counts(program):
        words.append(f"--benchmark_perf_counters={COUNTERS}")
    result = _run(words)
    if result.returncode != 0:
        raise BulkheadError(f"bench: {suite.target}: {''.join(result.stderr.strip().splitlines()[-1:])}")
    found: list[dict[str, Any]] = json.loads(result.stdout)["benchmarks"]
    return [row for row in found if row["run_type"] == "iteration" and not row.get("error_occurred")]


def counters_text(found: list[dict[str, Any]]) -> str:
    """Whether the rows have the processor's counters, in one line."""
    if any("INSTRUCTIONS" in row for row in found):
        return "with the processor's counters"
    return (
        "no processor counters: Debian's Google Benchmark is built without libpfm, or this machine has none"
    )


def print_rows(suite: Suite, found: list[dict[str, Any]]) -> None:
    """As a table."""
    counter = suite.counter
    print(f"| {suite.title} |\n| --- | ---: |")
    for row in found:
        value = row["cpu_time"] if counter is None else row.get(counter)
        if value is not None:
            more = f" | {row['INSTRUCTIONS']:,.0f} instructions" if "INSTRUCTIONS" in row else ""
            print(f"| {row['name'].partition('/')[2] if counter else row['name']} | {value:,.0f} |{more}")
    print(f"\n{counters_text(found)}")
