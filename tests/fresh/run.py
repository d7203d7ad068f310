"""Both commands of the README on a fresh machine: a minimal Debian 12 with python3, git and a clone, nothing else.

Standard output has one JSON object for each case (name, verdict, detail), standard error the progress. Logs of the commands
stay in build/fresh. If all pass, tests/fresh/passed is written anew. Nothing is ever installed by this program: what the
commands need, they install themselves, or the test fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import inputs
from mirror import NoMirror
from root import HERE, Root

sys.path.insert(0, str(HERE / "bindings"))
from bootstrap.packages import LAYERS  # noqa: E402

FOLDER = HERE / "build" / "fresh"
LAYER_LINE = re.compile(r"^(\w+): (\d+) passed, (\d+) failed, (\d+) skipped in (\d+) s$")
KEPT_LINES = 30


class Steps:
    """Runs commands in a root and keeps what came of each."""

    def __init__(self, root: Root) -> None:
        self.root, self.times = root, [f"on {os.cpu_count()} processors"]
        self.failed = False

    def case(self, name: str, failure: str, seconds: float) -> None:
        """Report a case; it passed if there is no failure to tell."""
        self.failed = self.failed or bool(failure)
        self.times.append(f"{name}: {seconds:.0f} s")
        verdict = "failed" if failure else "passed"
        print(f"fresh: {name} {verdict} in {seconds:.0f} s", file=sys.stderr, flush=True)
        print(json.dumps({"name": name, "verdict": verdict, "detail": failure}), flush=True)

    def command(self, *words: str) -> tuple[list[str], str, float]:
        """Run one in the clone: its lines, why it failed or nothing, its seconds."""
        print(f"fresh: {' '.join(words)} ...", file=sys.stderr, flush=True)
        start, lines = time.monotonic(), list[str]()
        with open(FOLDER / f"{words[-1]}.log", "w", encoding="utf-8") as log:

            def heard(line: str) -> None:
                lines.append(line.rstrip())
                print(line, end="", file=log, flush=True)
                if LAYER_LINE.match(line.rstrip()):
                    print(f"fresh:   {line}", end="", file=sys.stderr, flush=True)

            status = self.root.run(list(words), heard)
        failure = "\n".join([f"exit status {status}", *lines[-KEPT_LINES:]]) if status else ""
        return lines, failure, time.monotonic() - start


def demo(steps: Steps) -> None:
    """The first command ends well and leaves its figure."""
    _, failure, seconds = steps.command("./bulkhead", "demo")
    figures = list((steps.root.checkout / "out").rglob("*.png"))
    steps.case("./bulkhead demo", failure or ("" if figures else "there is no figure below out/"), seconds)


def test(steps: Steps) -> None:
    """The second command passes every layer whole."""
    lines, failure, seconds = steps.command("./bulkhead", "test")
    steps.case("./bulkhead test", failure, seconds)
    layers = {found[1]: found for found in map(LAYER_LINE.match, lines) if found}
    for name in LAYERS:
        found = layers.get(name)
        if found is None:
            steps.case(f"test {name}", "the layer was not run", 0)
        else:
            whole = int(found[2]) > 0 and int(found[3]) == 0
            steps.case(f"test {name}", "" if whole else found[0], float(found[5]))


def _run() -> int:
    start = time.monotonic()
    print("fresh: making a minimal Debian 12 ...", file=sys.stderr, flush=True)
    with Root(FOLDER) as root:
        steps, tested = Steps(root), inputs.of_commit(root.checkout)
        steps.case(f"a minimal Debian 12 of {root.packages()} packages", "", time.monotonic() - start)
        demo(steps)
        test(steps)
    if not steps.failed:
        inputs.record(tested, steps.times)
    return 1 if steps.failed else 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Leave once, cleaning up; a second signal must not interrupt that."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    """Exit status 1 if a case failed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    why = "" if os.geteuid() == 0 else "a root of its own needs root: sudo ./bulkhead test fresh"
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open(Path(f"{FOLDER}.lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not why:
                return _run()
    except (NoMirror, subprocess.CalledProcessError) as error:
        why = str(error)
    print(json.dumps({"name": "a minimal Debian 12", "verdict": "failed", "detail": why}), flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
