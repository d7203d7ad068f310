"""The inputs that decide a run, as one hash: a finished run may stand for a wanted one only if the hashes agree.

The commit is none of them. A run whose every input is as it was is a run of today's commit too, and says so
(`of_today`): a change of the simulator leaves the finished runs of the hypervisor as they are.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bulkhead import _core
from bulkhead.backend.sim.costs import FILE as COSTS
from bulkhead.backend.versions import NO_QEMU, versions
from bulkhead.base.paths import dom0_image, hypervisor_image
from bulkhead.base.plain import to_plain
from bulkhead.model.machine import Machine
from bulkhead.model.spec import WORKLOAD_PREFIX, Guest
from bulkhead.model.workloads import find_workload, image_of, is_outside, model_file
from bulkhead.model.run import Run
from bulkhead.policy.choose import choose

PACKAGE = Path(__file__).resolve().parents[1]
CARRIES_OUT = ("base", "model", "policy", "backend")  # the code between a description and its run
BOTH = "qemu", "sim"


@functools.cache
def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


@functools.cache
def _code(backend: str) -> str:
    """The hash of the Python code that carries a machine out on this back end."""
    others = {PACKAGE / "backend" / name for name in BOTH if name != backend}
    files = sorted(file for folder in CARRIES_OUT for file in (PACKAGE / folder).rglob("*.py"))
    taken = (file for file in files if not others & set(file.parents))
    return hashlib.sha256(b"".join(file.read_bytes() for file in taken)).hexdigest()


def _files(machine: Machine, backend: str) -> Iterator[Path]:
    for kind, spec in machine.policies.items():
        if spec is not None:
            yield choose(kind, spec).policy.path
    if backend == "sim":
        yield Path(_core.__file__)
        yield COSTS
        for guest in machine.guests:
            yield from _outside_files(guest)
        return
    yield hypervisor_image()
    yield dom0_image()
    for guest in machine.guests:
        yield _kernel(guest)
        if guest.initrd is not None:
            yield Path(guest.initrd)
        yield from (Path(disk.image) for disk in guest.disks if disk.image is not None)


def _kernel(guest: Guest) -> Path:
    if guest.kernel.startswith(WORKLOAD_PREFIX):
        return image_of(guest, find_workload(guest.kernel.removeprefix(WORKLOAD_PREFIX)))
    return Path(guest.kernel)


def _outside_files(guest: Guest) -> Iterator[Path]:
    """The image, which has the options, and the model of a workload outside of the checkout."""
    name = guest.kernel.removeprefix(WORKLOAD_PREFIX)
    if name != guest.kernel and is_outside(name):
        workload = find_workload(name)
        yield from (workload.image, model_file(workload) or workload.image)


def identity(machine: Machine, backend: str) -> str:
    """SHA-256 over the machine's description and the contents of every file that takes part in the run."""
    made_with = versions(NO_QEMU if backend == "sim" else None)
    parts = {
        "machine": to_plain(machine),
        "backend": backend,
        "versions": to_plain(replace(made_with, commit="", dirty=False)),
        "code": _code(backend),
        "files": [_file_hash(file) for file in _files(machine, backend)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def identity_with_numbers(machine: Machine, backend: str) -> str:
    """The same, and of all code that works a run's numbers out: the commit stands for it."""
    made_with = versions(NO_QEMU if backend == "sim" else None)
    return f"{identity(machine, backend)} {made_with.commit}{' dirty' if made_with.dirty else ''}"


def of_today(run: Run) -> Run:
    """A finished run whose inputs are those of today's commit."""
    today = versions(run.versions.qemu)
    return replace(run, versions=replace(run.versions, commit=today.commit, dirty=today.dirty))
