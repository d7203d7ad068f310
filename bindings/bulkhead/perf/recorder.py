"""Runs a command under Linux perf. Says what this machine cannot count, and takes the best that it can."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.tools import lack

from bulkhead.base.errors import BulkheadError
from bulkhead.perf.stacks import Stacks, read_stacks

PERF = "perf"
COUNTERS = ("cycles", "instructions", "branch-misses", "cache-misses")
CLOCK = "cpu-clock"  # the kernel's own timer, which every machine has
STACK_BYTES = 16384  # of each sample's stack, from which callers are found without frame pointers
PARANOIA = Path("/proc/sys/kernel/perf_event_paranoid")


@dataclass(frozen=True)
class Recording:
    """The samples, what they were taken by, which counters the machine lacks, and how the command ended."""

    stacks: Stacks
    event: str
    missing: tuple[str, ...]
    exit_status: int

    @property
    def notes(self) -> str:
        """One line for people."""
        text = f"{self.stacks.samples} samples by {self.event}"
        if self.missing:
            text += f"; this machine does not count {', '.join(self.missing)}"
        return text + ("; samples are taken by time" if self.event == CLOCK else "")


def require_perf() -> None:
    """BulkheadError with the line to run if perf is not here, or may not be used."""
    if lacking := lack(PERF):
        raise BulkheadError(lacking)
    result = subprocess.run([PERF, "stat", "-e", CLOCK, "--", "true"], capture_output=True, text=True)
    if result.returncode != 0:
        level = PARANOIA.read_text(encoding="ascii").strip() if PARANOIA.is_file() else "unknown"
        raise BulkheadError(
            f"perf may not count here (perf_event_paranoid is {level}); as root, run: sysctl kernel.perf_event_paranoid=1"
        )


def missing_counters() -> tuple[str, ...]:
    """Hardware counters that this machine does not have."""
    words = [PERF, "stat", "-x", ",", "-e", ",".join(COUNTERS), "--", "true"]
    lines = subprocess.run(words, capture_output=True, text=True).stderr.splitlines()
    rows = [line.split(",") for line in lines]
    counted = {row[2].partition(":")[0] for row in rows if len(row) > 2 and row[0].isdigit()}
    return tuple(name for name in COUNTERS if name not in counted)


def record(command: Sequence[str], environment: Mapping[str, str], frequency: int) -> Recording:
    """Run the command and all that it starts, sampled `frequency` times per second of CPU time.

    BulkheadError if perf cannot; the command's own failure is in `exit_status`.
    """
    require_perf()
    missing = missing_counters()
    event = CLOCK if "cycles" in missing else "cycles"
    with tempfile.TemporaryDirectory(prefix="bulkhead-perf-") as folder:
        data = str(Path(folder) / "perf.data")
        words = [PERF, "record", "-q", "-e", event, "-F", str(frequency), "-o", data]
        words += ["--call-graph", f"dwarf,{STACK_BYTES}", "--", *command]
        status = subprocess.run(words, env=dict(environment)).returncode
        script = [PERF, "script", "-i", data, "--no-inline", "-F", "comm,ip,sym,dso"]
        with subprocess.Popen(
            script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        ) as reader:
            assert reader.stdout is not None
            stacks = read_stacks(reader.stdout)
    if not stacks.samples:
        raise BulkheadError(f"perf took no sample (the command ended with status {status})")
    return Recording(stacks, event, missing, status)
