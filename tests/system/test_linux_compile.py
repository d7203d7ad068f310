"""A compiler in a Linux guest makes what the same compiler makes on this computer, to the bit."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said

from bootstrap.build import ROOT
from bulkhead import MIB
from bulkhead.linux.image import packages_of
from bulkhead.linux.recipe import find_recipe
from bulkhead.linux.report import results


@dataclass(frozen=True)
class Work:
    """What is compiled, and in what guest: bytes of memory, vCPUs."""

    image: str
    folders: tuple[str, ...]
    memory: int
    vcpus: int


BESIDES = 384 * MIB  # the hypervisor and what the image travels in
SMALL = Work(
    "compiler", tuple(f"workloads/linux/programs/{name}.c" for name in ("clocks", "stamp")), 320 * MIB, 2
)
# What our own small guests are built on: eighteen files of C++.
WHOLE = Work("compiler-cxx", ("guest/runtime",), 1024 * MIB, 4)


def made_here(image: str, folders: tuple[str, ...], scratch: Path) -> dict[str, str]:
    """SHA-256 by object, from the packages' own compilers, unpacked into `scratch`."""
    for deb in packages_of(find_recipe(image)):
        subprocess.run(["dpkg-deb", "-x", str(deb.path), str(scratch)], check=True)
    out = scratch / "out"
    words = [
        f"CC={scratch}/usr/bin/gcc-12 --sysroot={scratch}",
        f"CXX={scratch}/usr/bin/g++-12 --sysroot={scratch}",
    ]
    environment = {
        **os.environ,
        "PATH": f"{scratch}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{scratch}/usr/lib/x86_64-linux-gnu",
    }
    command = [
        "/usr/bin/make",
        "-s",
        "-j2",
        "-f",
        "workloads/linux/compile.mk",
        f"FOLDERS={' '.join(folders)}",
        f"OUT={out}",
    ]
    subprocess.run([*command, *words], cwd=ROOT, env=environment, check=True)
    objects = sorted(out.rglob("*.o"))
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in objects}


def test_a_parallel_compile_makes_the_same_objects_as_here(tmp_path: Path) -> None:
    """BULKHEAD_COMPILE_WHOLE=1 makes it a C++ compile of real size, which takes minutes."""
    work = WHOLE if "BULKHEAD_COMPILE_WHOLE" in os.environ else SMALL
    jobs = (":".join(("compile", str(2 * work.vcpus), *work.folders)), "log")
    guest = linux("linux", *jobs, image=work.image, memory=work.memory, vcpus=work.vcpus)
    run = run_linux(guest, seconds=900, memory=work.memory + BESIDES)
    assert_done(run, "linux", *jobs)
    rows = [row for row in results(run.consoles["linux"], "compile") if "object" in row]
    made = {row["object"]: row["sha256"] for row in rows}
    assert made == made_here(work.image, work.folders, tmp_path)
    assert len(made) >= len(work.folders), said(run)
    assert_sound(run)
