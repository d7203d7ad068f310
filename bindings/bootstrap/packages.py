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


class Package(NamedTuple):
    """A Debian package, why it is needed, and for what: "base" for everything, "lint" for the lint layer, "perf"."""

    name: str
    why: str
    group: str = "base"


class SetupError(Exception):
    """The machine cannot be made ready; the message says what to do."""


PACKAGES = (
    Package("qemu-system-x86", "the machine that runs the hypervisor"),
    Package("libxen-dev", "the guest ABI's headers"),
    Package("grub-xen-host", "a PV kernel nobody here wrote, for the tests"),
    Package("g++", "compiler"),
    Package("binutils", "linker, objcopy"),
    Package("cmake", "build"),
    Package("ninja-build", "build"),
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
    Package("cpio", "reads the images of Linux guests, for the tests"),
    Package("python3-simpy3", "the simulator's speed is compared with it"),
    Package("python3-pytest", "system tests"),
    Package("python3-hypothesis", "system tests"),
    Package("linux-perf", "samples for `bulkhead perf`", "perf"),
    Package("clang-19", "second compiler, fuzzers", "lint"),
    Package("clang-tidy-19", "checks of C++", "lint"),
    Package("clang-format-19", "format of C++", "lint"),
    Package("lld-19", "second linker", "lint"),
    Package("libclang-rt-19-dev", "sanitizers and fuzzers of clang", "lint"),
    Package("cppcheck", "checks of C++", "lint"),
    Package("black", "format of Python", "lint"),
    Package("flake8", "checks of Python", "lint"),
    Package("mypy", "types of Python", "lint"),
    Package("shellcheck", "checks of shell scripts", "lint"),
)


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
    wanted = [package for package in PACKAGES if package.group in groups]
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
