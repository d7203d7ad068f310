"""Which files decide whether set-up works on a fresh machine, and whether a run of `./bulkhead test fresh` vouches for them.

As a program: exit status 0 if the recorded run was of these very files, else 1. Standard library and git only, because
continuous integration asks before anything is installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("passed")
# The command, its set-up and its packages, compilers by name, this test, packages of the Linux images.
INPUTS = ("bulkhead", "bindings/bootstrap", "CMakePresets.json", "tests/fresh", "workloads/linux/images")


def of_commit(checkout: Path = ROOT) -> str:
    """Names the contents of INPUTS in the commit that is checked out. The record and prose do not count."""
    command = ["git", "-C", str(checkout), "ls-tree", "-r", "HEAD", "--", *INPUTS]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    kept = [line for line in lines if not line.endswith((f"\ttests/fresh/{RECORD.name}", ".md"))]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def recorded() -> str:
    """The inputs of the recorded run; empty without a record."""
    lines = RECORD.read_text(encoding="utf-8").splitlines() if RECORD.is_file() else []
    return next((line.split()[1] for line in lines if line.startswith("inputs ")), "")


def record(inputs: str, lines: list[str]) -> None:
    """Write down that a run passed, with its times."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    text = [f"inputs {inputs}", f"passed on {day}", *lines]
    RECORD.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(0 if of_commit() == recorded() else 1)
