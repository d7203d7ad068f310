"""The Debian packages that Bulkhead needs, each with its reason, and their installation. Never removes or upgrades one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

LISTS = Path("/var/lib/apt/lists")
LISTS_FRESH_SECONDS = 24 * 3600


BASE = "base"  # what every command needs
LAYERS = (
    "unit",
    "policy",
    "sim",
    "guest",
    "system",
    "fuzz",
    "lint",
)  # of `test` without a layer, in this order
FRESH = "fresh"  # the layer that runs only when it is named
LAYERS_OF_CLANG = ("fuzz", "lint")


class Package(NamedTuple):
    """A Debian package, why it is needed, for which groups, and which programs or Python modules are called by name.

    A group is BASE, a test layer, or a command that needs more than the others (perf).
    """

    name: str
    why: str
    groups: tuple[str, ...] = (BASE,)
    tools: tuple[str, ...] = ()


class SetupError(Exception):
    """The machine cannot be made ready; the message says what to do."""


PACKAGES = (
    Package("qemu-system-x86", "the machine that runs the hypervisor", tools=("qemu-system-x86_64",)),
    Package("libxen-dev", "the guest ABI's headers"),
    Package("grub-xen-host", "a PV kernel from outside this project, for the tests"),
    Package("g++", "compiler", tools=("g++",)),
    Package("binutils", "linker, objcopy"),
    Package("cmake", "build", tools=("cmake", "ctest")),
    Package("ninja-build", "build", tools=("ninja",)),
    Package("libboost-dev", "intrusive containers of the hypervisor"),
    Package("libgtest-dev", "host tests"),
    Package("libgmock-dev", "host tests"),
    Package("libbenchmark-dev", "microbenchmarks"),
    Package("pybind11-dev", "Python module"),
    Package("python3-dev", "Python module"),
    Package("python3-pybind11", "Python module"),
    Package("python3-typer", "command line"),
    Package("python3-rich", "tables and progress"),
    Package("python3-numpy", "traces"),
    Package("python3-scipy", "statistics"),
    Package("python3-matplotlib", "figures"),
    Package("python3-jinja2", "reports"),
    Package("python3-zstandard", "kernels that are packed with zstd"),
    Package("python3-lz4", "kernels that are packed with LZ4"),
    Package("python3-simpy3", "the simulator's speed is compared with it"),
    Package("python3-pytest", "Python's tests", ("unit", "system"), ("pytest",)),
    Package("python3-hypothesis", "Python's tests", ("unit", "system"), ("hypothesis",)),
    Package("cpio", "reads the images of Linux guests, for the tests", ("unit",), ("cpio",)),
    Package("git", "a result's commit, the files to check", ("unit", "lint", FRESH), ("git",)),
    Package("make", "compiles on the host what a Linux guest compiles", ("system",), ("make",)),
    Package("procps", "finds processes that a test left behind", ("system",), ("pgrep",)),
    Package("protobuf-compiler", "Perfetto's format", ("trace", "unit"), ("protoc",)),
    Package("python3-protobuf", "Perfetto's format", ("trace", "unit"), ("google.protobuf",)),
    Package(
        "babeltrace2",
        "reads the CTF that `bulkhead trace` writes, for the tests",
        ("unit",),
        ("babeltrace2",),
    ),
    Package("chromium", "opens the page of `bulkhead report`, for the tests", ("unit",), ("chromium",)),
    Package("linux-perf", "samples for `bulkhead perf`", ("perf", "unit"), ("perf",)),
    Package("clang-19", "second compiler, fuzzers", LAYERS_OF_CLANG, ("clang++-19",)),
    Package("libclang-rt-19-dev", "sanitizers and fuzzers of clang", LAYERS_OF_CLANG),
    Package("clang-tidy-19", "checks of C++", ("lint",), ("clang-tidy-19",)),
    Package("clang-format-19", "format of C++", ("lint",), ("clang-format-19",)),
    Package("cppcheck", "checks of C++", ("lint",), ("cppcheck",)),
    Package("black", "format of Python", ("lint",), ("black",)),
    Package("flake8", "checks of Python", ("lint",), ("flake8",)),
    Package("mypy", "types of Python", ("lint",), ("mypy",)),
    Package("shellcheck", "checks of shell scripts", ("lint",), ("shellcheck",)),
    Package("debootstrap", "a minimal Debian to try the set-up in", (FRESH,), ("debootstrap",)),
)


# What each group is for, in the words of the doctor. Layers that need no more than BASE are not groups.
GROUPS = {BASE: "packages", "perf": "for perf", "trace": "for trace"} | {
    layer: f"for test {layer}"
    for layer in (*LAYERS, FRESH)
    if any(layer in package.groups for package in PACKAGES)
}


def needed_groups(arguments: list[str]) -> set[str]:
    """Package groups of a command line, which starts with the command.

    `test` without a layer runs all of LAYERS. An unknown word is refused after set-up, so nothing is installed for it.
    """
    command, *words = arguments
    if command in ("fuzz", "perf") or command == "trace" and "perfetto" in " ".join(words):
        return {BASE, command}
    if command != "test":
        return {BASE}
    return {BASE, *((set(words) & {*LAYERS, FRESH}) if words else LAYERS)}


def installed(names: list[str]) -> set[str]:
    """Those of `names` that dpkg has fully installed."""
    if shutil.which("dpkg-query") is None:
        raise SetupError("this machine has no dpkg: Bulkhead sets itself up on Debian 12 (bookworm)")
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${binary:Package}\n", *names]
    lines = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    pairs = [line.split() for line in lines]
    return {pair[1].split(":")[0] for pair in pairs if len(pair) == 2 and pair[0] == "installed"}


def missing(groups: set[str]) -> list[Package]:
    """Packages of `groups` that are not installed, in the table's order."""
    wanted = [package for package in PACKAGES if groups.intersection(package.groups)]
    have = installed([package.name for package in wanted])
    return [package for package in wanted if package.name not in have]


def install_line(names: list[str]) -> str:
    """The one line a user without root has to run."""
    return f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(names)}"


def _root_prefix() -> list[str] | None:
    """How to run something as root here: directly, through sudo without a password, or not at all."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def _lists_stale() -> bool:
    newest = max((path.stat().st_mtime for path in LISTS.glob("*_Packages*")), default=0.0)
    return time.time() - newest > LISTS_FRESH_SECONDS


def _apt(prefix: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _install(prefix: list[str], names: list[str]) -> None:
    updated = _lists_stale()
    if updated:
        _apt(prefix, "update")
    result = _apt(prefix, "install", "--no-install-recommends", *names)
    if result.returncode != 0 and not updated:
        _apt(prefix, "update")
        result = _apt(prefix, "install", "--no-install-recommends", *names)
    if result.returncode != 0:
        errors = [
            line for line in (result.stderr + result.stdout).splitlines() if line.startswith(("E:", "W:"))
        ]
        raise SetupError("\n".join([*errors[-5:], f"apt-get failed; try: {install_line(names)}"]))


def ensure(groups: set[str]) -> None:
    """Install what is missing, saying which and why. Raises SetupError with the line to run if that is not possible."""
    lacking = missing(groups)
    if not lacking:
        return
    names = [package.name for package in lacking]
    width = max(map(len, names))
    print(f"Installing {len(names)} Debian packages:", file=sys.stderr)
    for package in lacking:
        print(f"  {package.name:{width}}  {package.why}", file=sys.stderr)
    prefix = _root_prefix()
    if prefix is None:
        raise SetupError(f"installing needs root; run this once, then try again:\n{install_line(names)}")
    _install(prefix, names)
    still = [package.name for package in missing(groups)]
    if still:
        raise SetupError(f"still missing after the installation: {' '.join(still)}")
