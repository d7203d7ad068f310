"""The CMake build of a preset: configured once, quiet, with progress; a failure shows the errors and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bootstrap.tools import explain

ROOT = Path(__file__).resolve().parents[2]
# Looking for new files is a step of every build, also of one that has nothing to do.
STATUS = re.compile(r"^\[(\d+)/(\d+)\] (?!Re-checking globbed)")
LONGEST_FAILURE = 60  # lines


class BuildError(Exception):
    """The build failed; the message holds the error lines."""


def build_dir(preset: str) -> Path:
    """Where a preset builds; BULKHEAD_BUILD overrides it for the release preset."""
    override = os.environ.get("BULKHEAD_BUILD")
    return Path(override) if override and preset == "release" else ROOT / "build" / preset


@contextlib.contextmanager
def _lock(preset: str) -> Iterator[None]:
    """One build of a preset at a time, also between processes."""
    directory = build_dir(preset)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.parent / f".{directory.name}.lock", "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _configure(preset: str) -> None:
    directory = build_dir(preset)
    if (directory / "build.ninja").exists():
        return
    command = ["cmake", "--preset", preset, "-B", str(directory)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildError(f"cmake --preset {preset} failed:\n{_tail(result.stderr or result.stdout)}")


def _tail(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(lines[:LONGEST_FAILURE] + (["..."] if len(lines) > LONGEST_FAILURE else []))


class _Progress:
    """A line that rewrites itself in a terminal; elsewhere a plain line now and then."""

    PAUSE = 30.0  # seconds between plain lines

    def __init__(self, preset: str) -> None:
        self.preset, self.start, self.shown = preset, time.monotonic(), False
        self.terminal = sys.stderr.isatty()
        self.next_line = self.start

    def step(self, done: int, total: int) -> None:
        now = time.monotonic()
        spent = now - self.start
        if self.terminal:
            left = spent / done * (total - done) if done else 0.0
            text = f"\r\033[Kbuilding {self.preset}: {done}/{total}, {left:.0f} s left"
            print(text, end="", file=sys.stderr, flush=True)
        elif now >= self.next_line:
            print(f"building {self.preset}: step {done} of {total}", file=sys.stderr, flush=True)
            self.next_line = now + self.PAUSE
        self.shown = True

    def end(self) -> None:
        if self.shown:
            text = f"built {self.preset} in {time.monotonic() - self.start:.0f} s"
            print(f"\r\033[K{text}" if self.terminal else text, file=sys.stderr, flush=True)


def _ninja(preset: str, targets: list[str]) -> None:
    command = ["ninja", "-C", str(build_dir(preset)), f"-j{os.cpu_count() or 1}", *targets]
    environment = {**os.environ, "NINJA_STATUS": "[%f/%t] "}
    progress, failure, failing = _Progress(preset), [""], False
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ninja:
        assert ninja.stdout is not None
        for line in ninja.stdout:
            status = STATUS.match(line)
            if status:
                failing = False
                progress.step(int(status[1]), int(status[2]))
            elif line.startswith("FAILED:") or line.startswith("ninja: error"):
                failing = True
            if failing:
                failure.append(line.rstrip())
    progress.end()
    if ninja.returncode != 0:
        raise BuildError(f"the {preset} build failed:{_tail(chr(10).join(failure))}")


def is_built() -> bool:
    """Whether the compiled module that every command loads is there."""
    return any((build_dir("release") / "bindings" / "native").glob("_core*.so"))


def _writable(directory: Path) -> bool:
    """Whether this user can build there; a folder that is missing would be made in the nearest that is not."""
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    places = [nearest, directory.parent] if nearest == directory else [nearest]
    return all(os.access(place, os.W_OK | os.X_OK) for place in places)


def _use_as_it_is(preset: str) -> None:
    """Take the build of somebody else. BuildError if there is none; a line on standard error if it is out of date."""
    directory = build_dir(preset)
    if not (directory / "build.ninja").exists():
        raise BuildError(
            f"this user cannot write {directory.parent}; its owner runs ./bulkhead build once, or "
            "you build in a folder of your own: BULKHEAD_BUILD=DIR ./bulkhead build"
        )
    words = ["ninja", "-C", str(directory), "-n"]
    said = subprocess.run(words, capture_output=True, text=True).stdout if shutil.which("ninja") else ""
    steps = [line for line in said.splitlines() if STATUS.match(line)]
    if steps:
        print(
            f"the build in {directory} is older than the sources, and this user cannot write it",
            file=sys.stderr,
        )


def build(preset: str = "release", targets: list[str] | None = None) -> None:
    """Bring a preset up to date. Raises BuildError with the error lines.

    A build that this user cannot write, of a checkout that is shared, is used as it is.
    """
    if not _writable(build_dir(preset)):
        return _use_as_it_is(preset)
    try:
        with _lock(preset):
            _configure(preset)
            _ninja(preset, targets or [])
    except FileNotFoundError as error:
        raise BuildError(explain(error)) from None
