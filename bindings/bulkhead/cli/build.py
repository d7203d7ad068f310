"""`bulkhead build --in DIR`: policies, workloads and models of a folder outside of the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from bulkhead.base.errors import SpecError
from bulkhead.base.sdk import build_folder


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
    print(build_folder(folder), end="")
    return 0
