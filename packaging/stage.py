"""The built checkout as it is installed: DEST/lib/bulkhead and DEST/bin. Used by debian/rules and setup.py, never by a user.

The installed tree is a checkout without tests and without its history. It takes the same paths to its build as a checkout
does, so that nothing else knows of being installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREE = "lib/bulkhead"
BUILD = "build/release"
LEFT_OUT = ("tests", "debian", "packaging")  # top-level folders of the sources that are for developers
# What the command opens of a build, by folder.
PRODUCTS = (
    ("hv", "bulkhead.bin"),
    ("guest/dom0", "dom0.elf"),
    ("workloads", "*.elf"),
    ("workloads/linux/programs", "*"),
    ("sched", "*.so"),
    ("memctl", "*.so"),
    ("ringctl", "*.so"),
    ("bindings/native", "_core*.so"),
)


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout


def sources() -> list[Path]:
    """The files of the checkout that are installed, relative to it; outside of a git checkout all that are there."""
    try:
        names = [Path(name) for name in _git("ls-files", "-z").split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if name.parts[0] not in ("build", "out", ".git")]
    return [name for name in names if name.parts[0] not in LEFT_OUT and (ROOT / name).is_file()]


def products() -> list[Path]:
    """The files of the build that are installed, relative to the checkout."""
    found = []
    for folder, pattern in PRODUCTS:
        files = [path for path in sorted((ROOT / BUILD / folder).glob(pattern)) if path.is_file()]
        if not files:
            raise SystemExit(f"{BUILD}/{folder}/{pattern} is not built; run ./bulkhead build")
        found += [path.relative_to(ROOT) for path in files if path.suffix not in (".cmake", ".ninja")]
    return found


def commit() -> str:
    """For the results of the installed tree; empty outside of a git checkout."""
    try:
        return _git("rev-parse", "HEAD").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def stage(destination: Path) -> list[Path]:
    """Everything below `destination`, which is made. The files, relative to it."""
    made = []
    for name in (*sources(), *products()):
        target = destination / TREE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
        made.append(target)
    stated = destination / TREE / "COMMIT"
    stated.write_text(f"{commit()}\n", encoding="ascii")
    command = destination / "bin" / "bulkhead"
    command.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "packaging" / "bulkhead", command)
    sdk = ["cmake", "--install", str(ROOT / BUILD), "--component", "sdk", "--prefix", str(destination)]
    before = set(destination.rglob("*"))
    subprocess.run(sdk, check=True, stdout=subprocess.DEVNULL)
    made += [path for path in destination.rglob("*") if path not in before and path.is_file()]
    return [path.relative_to(destination) for path in (*made, stated, command)]


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
