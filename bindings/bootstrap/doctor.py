"""Reports the packages that this machine has and lacks. Changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from bootstrap import packages, tools
from bootstrap.build import ROOT, build_dir


def _version(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    result = subprocess.run(command, capture_output=True, text=True)
    return (result.stdout or result.stderr).splitlines()[0] if result.returncode == 0 else "does not run"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _kvm() -> str:
    if not Path("/dev/kvm").exists():
        return "no /dev/kvm (not needed; runs use QEMU's own processor)"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is there, but this user may not open it (not needed)"
    return "/dev/kvm opens; --accel kvm is worth a try, its runs are not reproducible"


def _shared_memory() -> str:
    try:
        space = os.statvfs("/dev/shm")
    except OSError:
        return "no /dev/shm; the machine's RAM goes to the output folder"
    return f"{space.f_bavail * space.f_frsize >> 20} MiB free in /dev/shm"


def _packages() -> int:
    """Print what each group lacks; the exit status."""
    lacking = {group: [package.name for package in packages.missing({group})] for group in packages.GROUPS}
    for group, what in packages.GROUPS.items():
        programs = [] if lacking[group] else tools.lacking({group})
        state = f"missing: {' '.join(lacking[group])}" if lacking[group] else "all installed"
        print("\n".join([f"{what:16} {state}", *(f"{'':16} {line}" for line in programs)]))
    names = list(dict.fromkeys(name for group in lacking.values() for name in group))
    if names:
        print(f"\nTo install what is missing: {packages.install_line(names)}")
    return 2 if lacking[packages.BASE] or tools.lacking({packages.BASE}) else 0


def doctor() -> int:
    """Print the report. 0 if everything needed to build and run is here, else 2."""
    rows = [
        ("system", _system()),
        ("processors", f"{os.cpu_count()}"),
        ("shared memory", _shared_memory()),
        ("KVM", _kvm()),
        ("QEMU", _version(["qemu-system-x86_64", "--version"])),
        ("g++", _version(["g++", "--version"])),
        ("clang++", _version(["clang++-19", "--version"])),
        ("CMake", _version(["cmake", "--version"])),
        (
            "build",
            "there" if (build_dir("release") / "build.ninja").exists() else "not yet: ./bulkhead build",
        ),
        ("checkout", str(ROOT)),
    ]
    for name, value in rows:
        print(f"{name:16} {value}")
    return _packages()
