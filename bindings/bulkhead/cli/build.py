"""`bulkhead build --in DIR`: policies, workloads and models of a folder outside of the checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Optional

import typer
from bootstrap.build import build_dir

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import INSTALLED, ROOT

COMMAND = Path("bin") / "bulkhead-plugin"
LONGEST_FAILURE = 40  # lines


def build(
    folder: Optional[Path] = typer.Option(
        None, "--in", help="Also build what is in this folder: policies, workloads and models of your own."
    ),
) -> int:
    """Set up and build. With --in DIR also a folder outside of the checkout, into DIR/build."""
    if folder is None:  # all else is done before we get here
        return 0
    if not folder.is_dir():
        raise SpecError(
            f"build: --in {folder} is not a folder; make one with ./bulkhead new KIND NAME --in {folder}"
        )
    done = subprocess.run([_command(), folder], capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise BulkheadError("\n".join([f"building {folder} failed:", *lines[:LONGEST_FAILURE]]))
    print(done.stdout, end="")
    return 0


def _command() -> Path:
    """The installed bulkhead-plugin; in a checkout it is installed beside the build. BulkheadError if it cannot be."""
    if INSTALLED:
        return ROOT.parents[1] / COMMAND
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
    return prefix / COMMAND
