"""The inputs that decide a run, as one hash: a finished run may stand for a wanted one only if the hashes agree."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from bulkhead import _core
from bulkhead.backend.sim.costs import FILE as COSTS
from bulkhead.backend.versions import NO_QEMU, versions
from bulkhead.base.paths import dom0_image, hypervisor_image
from bulkhead.base.plain import to_plain
from bulkhead.model.machine import Machine
from bulkhead.model.spec import WORKLOAD_PREFIX, Guest
from bulkhead.model.workloads import find_workload, image_of, is_outside, model_file
from bulkhead.policy.choose import choose


@functools.cache
def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


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
    """SHA-256 over the machine's description, the versions, and the contents of every file that takes part in the run."""
    parts = {
        "machine": to_plain(machine),
        "backend": backend,
        "versions": to_plain(versions(NO_QEMU if backend == "sim" else None)),
        "files": [_file_hash(file) for file in _files(machine, backend)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
