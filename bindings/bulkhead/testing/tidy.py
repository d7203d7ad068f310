"""clang-tidy over the product's sources, each once: tests are left to the other checkers, which are faster."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bootstrap.build import build_dir
from bootstrap.tools import lack

from bulkhead.base.paths import ROOT
from bulkhead.testing.case import FAILED, PASSED, Case, shorten

PRESET = "clang"
LEFT_OUT = ("tests/",)
BATCH = 4  # files per process: large enough to start few, small enough to keep all processors busy to the end


def _database(files: Sequence[str]) -> tuple[Path, list[str]]:
    """A compilation database with one command per file, and the files it has. A file built twice would be checked twice."""
    wanted = {str(ROOT / name): name for name in files if not name.startswith(LEFT_OUT)}
    commands = json.loads((build_dir(PRESET) / "compile_commands.json").read_text(encoding="utf-8"))
    chosen = {command["file"]: command for command in commands if command["file"] in wanted}
    folder = build_dir(PRESET) / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(list(chosen.values())), encoding="utf-8")
    return folder, sorted(wanted[path] for path in chosen)


def _check(folder: Path, names: Sequence[str]) -> str:
    """Findings of clang-tidy in some files; empty if it has none."""
    command = ["clang-tidy-19", "-quiet", "-p", str(folder), *names]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return result.stdout if result.returncode != 0 else ""


def tidy(files: Sequence[str]) -> Case:
    """The configured preset must exist. One case for all files."""
    if lacking := lack("clang-tidy-19"):
        return Case("clang-tidy", FAILED, lacking)
    if not (build_dir(PRESET) / "compile_commands.json").is_file():
        return Case("clang-tidy", FAILED, f"the {PRESET} build is not configured")
    folder, names = _database(files)
    if not names:
        return Case("clang-tidy", FAILED, "no file is in the compilation database")
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        said = "".join(pool.map(lambda batch: _check(folder, batch), batches))
    return Case("clang-tidy", FAILED if said else PASSED, shorten(said))
