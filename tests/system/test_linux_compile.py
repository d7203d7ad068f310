"""A compiler in a Linux guest makes what the same compiler makes on this computer, to the bit."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said

from bootstrap.build import ROOT
from bulkhead.linux.image import packages_of
from bulkhead.linux.recipe import find_recipe
from bulkhead.linux.report import results
from bulkhead.spec import MIB

IMAGE, FOLDER = "compiler", "workloads/linux/programs"


def made_here(folder: Path) -> dict[str, str]:
    """SHA-256 by object, from the packages' own compiler, unpacked into `folder`."""
    for deb in packages_of(find_recipe(IMAGE)):
        subprocess.run(["dpkg-deb", "-x", str(deb.path), str(folder)], check=True)
    out = folder / "out"
    words = [f"CC={folder}/usr/bin/gcc-12 --sysroot={folder}", f"FOLDERS={FOLDER}", f"OUT={out}"]
    environment = {
        **os.environ,
        "PATH": f"{folder}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{folder}/usr/lib/x86_64-linux-gnu",
    }
    command = ["/usr/bin/make", "-s", "-j2", "-f", "workloads/linux/compile.mk", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    objects = sorted(out.rglob("*.o"))
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in objects}


def test_a_parallel_compile_makes_the_same_objects_as_here(tmp_path: Path) -> None:
    jobs = (f"compile:4:{FOLDER}", "log")
    run = run_linux(linux("linux", *jobs, image=IMAGE, memory=320 * MIB, vcpus=2))
    assert_done(run, "linux", *jobs)
    rows = [row for row in results(run.consoles["linux"], "compile") if "object" in row]
    made = {row["object"]: row["sha256"] for row in rows}
    assert len(made) == len(list((ROOT / FOLDER).glob("*.c"))), said(run)
    assert made == made_here(tmp_path)
    assert_sound(run)
