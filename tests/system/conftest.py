"""Makes the package importable, and gives tests the command as a user has it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "bindings", ROOT, Path(__file__).parent):
    sys.path.insert(0, str(folder))

COMMAND_SECONDS = 300
Result = subprocess.CompletedProcess[str]


@pytest.fixture()
def command() -> Callable[..., Result]:
    """Runs `./bulkhead ...` on the build as it is."""

    def run(*words: str) -> Result:
        return subprocess.run(
            [str(ROOT / "bulkhead"), *words],
            env={**os.environ, "BULKHEAD_NO_BUILD": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    return run
