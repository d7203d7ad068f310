"""The headers and rules with which policies, workloads and models outside of the checkout are built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bootstrap.build import build_dir

from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import INSTALLED, ROOT

COMMAND = Path("bin") / "bulkhead-plugin"
RULES = Path("share") / "bulkhead"
LONGEST_FAILURE = 40  # lines


def sdk() -> Path:
    """Where they are installed; of a checkout beside its build. BulkheadError if they cannot be."""
    if INSTALLED:
        return ROOT.parents[1]
    prefix = build_dir("release").parent / "sdk"
    if os.access(prefix.parent, os.W_OK):
        words = [
            "cmake",
            "--install",
            str(build_dir("release")),
            "--component",
            "sdk",
            "--prefix",
            str(prefix),
        ]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise BulkheadError(f"the headers cannot be installed in {prefix}: {done.stderr.strip()}")
    elif not (prefix / COMMAND).is_file():
        raise BulkheadError(
            f"this user cannot write {prefix.parent}; its owner runs ./bulkhead build --in once with any folder"
        )
    return prefix


def carry_out(folder: Path, *words: str | Path) -> str:
    """What a command that builds `folder` prints. BulkheadError with its last words if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise BulkheadError("\n".join([f"building {folder} failed:", *lines[:LONGEST_FAILURE]]))
    return done.stdout


def build_folder(folder: Path) -> str:
    """Build what is in a folder into its `build`. The products, one a line."""
    return carry_out(folder, sdk() / COMMAND, folder)
