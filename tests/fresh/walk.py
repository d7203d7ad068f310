"""The tutorial's commands on a fresh machine, each with its time: what a new user waits for between a clone and a result.

The commands are those of docs/tutorial.md in their order. The one edit that the page asks for is made where it asks for it.
The last line has the sum. What the commands made, and what they said, stays in build/fresh/walk.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path

from mirror import NoMirror
from root import HERE, Root

FOLDER = HERE / "build" / "fresh"
PAGE = HERE / "docs" / "tutorial.md"
COMMAND = re.compile(r"^ {4}(\./bulkhead .+)$", re.MULTILINE)
# After that command the page asks for an edit: a vCPU that wakes is the next to run.
SCAFFOLD = "./bulkhead new scheduler my_lifo"
EDITED = Path("sched/my_lifo.cpp")
BEFORE, AFTER = "push_back", "push_front"
TIME_OVER = 5  # status of `boot` whose guests still run at its end, as those of the page do
LIMIT_S = 30 * 60  # what the page promises


def commands() -> list[str]:
    """Those of the page, as typed."""
    return COMMAND.findall(PAGE.read_text(encoding="utf-8"))


def _edit(root: Root) -> None:
    """In `wake` alone, as a user would."""
    file = root.checkout / EDITED
    before, hook, rest = file.read_text(encoding="utf-8").partition("wake(")
    if BEFORE not in rest:
        raise ValueError(f"{EDITED} has no {BEFORE} in wake: does the tutorial still say what to change?")
    file.write_text(before + hook + rest.replace(BEFORE, AFTER, 1), encoding="utf-8")


def _walk(root: Root, kept: Path) -> bool:
    """Whether every command ended well, and all of them within the limit."""
    total = 0.0
    for number, command in enumerate(commands(), 1):
        start, said = time.monotonic(), list[str]()
        status = root.run(["bash", "-c", command], said.append)
        spent = time.monotonic() - start
        total += spent
        (kept / f"{number}.log").write_text("".join([f"$ {command}\n", *said]), encoding="utf-8")
        print(f"{spent:6.1f} s  {command}", flush=True)
        if status not in ((0, TIME_OVER) if command.startswith("./bulkhead boot ") else (0,)):
            print(f"exit status {status}:\n{''.join(said[-20:])}")
            return False
        if command == SCAFFOLD:
            _edit(root)
    print(f"{total:6.1f} s  together, on {os.cpu_count()} processors")
    return total <= LIMIT_S


def main() -> int:
    """Exit status 1 if a command failed, or all together took too long."""
    if os.geteuid() != 0:
        print("a root of its own needs root: sudo /usr/bin/python3 tests/fresh/walk.py")
        return 1
    kept = FOLDER / "walk"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    try:
        with Root(FOLDER) as root:
            whole = _walk(root, kept)
            for name in ("root/mine", f"{root.checkout.relative_to(root.path)}/out"):
                if (root.path / name).exists():
                    shutil.copytree(root.path / name, kept / Path(name).name)
    except NoMirror as error:
        print(error)
        return 1
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
