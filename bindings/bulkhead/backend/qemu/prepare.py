"""From a `Machine` to files and a manifest: finds every file, and checks what depends on files and policies."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from bulkhead import _core
from bulkhead.backend.course import check_changes
from bulkhead.backend.check import SECTOR, check_machine, check_memory
from bulkhead.backend.qemu.capture import check_captures
from bulkhead.backend.qemu.drain import can_drain
from bulkhead.backend.qemu.manifest import (
    GuestFiles,
    Parts,
    build_manifest,
    first_policies,
    images,
    successors,
)
from bulkhead.backend.qemu.real import check_real_disks, check_uplink
from bulkhead.backend.qemu.saved_disks import check_saved_disks
from bulkhead.backend.reservations import check_reservations
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import dom0_image, hypervisor_image
from bulkhead.linux.image import find_initrd
from bulkhead.linux.kernel import find_kernel, loadable
from bulkhead.model.machine import Machine
from bulkhead.model.spec import MODEL_PREFIX, WORKLOAD_PREFIX, Guest, Paging
from bulkhead.model.workloads import check_workload, image_of, with_paging, with_phase
from bulkhead.policy.choose import ChosenPolicy, choose
from bulkhead.policy.tables import KIND_OPTION, PYTHON, domain_values

MOST_IMAGES = 63  # boot modules beside the manifest
ICOUNT_HZ = 1_000_000_000  # QEMU's processor counts the nanoseconds of its own clock


def _readable(path: str, what: str) -> Path:
    file = Path(path)
    if not file.exists():
        raise SpecError(f"{what}: file {path} does not exist; give the path of an existing one")
    if not file.is_file() or not os.access(file, os.R_OK):
        raise SpecError(f"{what}: {path} is not a readable file")
    return file


def _built(path: Path, what: str) -> Path:
    if not path.is_file():
        raise BulkheadError(f"{what} is not built ({path}); run ./bulkhead build")
    return path


def _check_kernel(spec: Guest, kernel: Path, initrd: Path | None) -> None:
    try:
        _core.check_kernel(str(kernel), spec.memory, initrd.stat().st_size if initrd else 0)
    except (ValueError, RuntimeError) as error:
        raise SpecError(f"guest {spec.name}: {spec.kernel}: {error}") from None


def _guest_files(spec: Guest, paging: Paging) -> GuestFiles:
    what = f"guest {spec.name}"
    initrd = _readable(str(find_initrd(spec.initrd)), what) if spec.initrd is not None else None
    if spec.kernel.startswith(WORKLOAD_PREFIX):
        workload = check_workload(spec.kernel.removeprefix(WORKLOAD_PREFIX), spec.cmdline)
        known = {option.name for option in workload.options}
        words = with_paging(with_phase(spec, known), known, paging)
        cmdline = f"workload={workload.name} {words}".rstrip()
        image = _built(image_of(spec, workload), f"workload {workload.name}")
        _check_kernel(spec, image, initrd)
        return GuestFiles(spec, image, initrd, cmdline)
    if spec.kernel.startswith(MODEL_PREFIX):
        raise SpecError(f"{what}: {spec.kernel} exists in the simulator only; use --backend sim")
    with_phase(spec, ())
    try:
        kernel = loadable(_readable(str(find_kernel(spec.kernel, what)), what))
    except ValueError as error:
        raise SpecError(f"{what}: {spec.kernel}: {error}") from None
    _check_kernel(spec, kernel, initrd)
    return GuestFiles(spec, kernel, initrd, spec.cmdline)


def _choose_policies(machine: Machine) -> tuple[ChosenPolicy, ...]:
    for kind, spec in first_policies(machine).items():
        if spec.name.startswith(PYTHON):
            raise SpecError(
                f"{KIND_OPTION[kind]}: {spec.name} is written in Python and runs only in the simulator (backend sim)"
            )
    policies = [*first_policies(machine).items(), *successors(machine)]
    return tuple(choose(kind, spec) for kind, spec in policies)


def _values(kind: str, given: dict[str, int], policies: tuple[ChosenPolicy, ...]) -> tuple[int, ...]:
    first = next((chosen.policy for chosen in policies if chosen.policy.kind == kind), None)
    return domain_values(first, given, kind)


def _with_values(guest: GuestFiles, policies: tuple[ChosenPolicy, ...]) -> GuestFiles:
    return replace(
        guest,
        sched_values=_values("scheduler", guest.spec.sched, policies),
        memory_values=_values("memory", guest.spec.memctl, policies),
        ring_values=_values("ring", guest.spec.ringctl, policies),
    )


def _check_images(machine: Machine) -> None:
    for guest in machine.guests:
        for disk in guest.disks:
            if disk.image is None or disk.is_real:
                continue
            size = _readable(disk.image, f"guest {guest.name}: disk {disk.name}").stat().st_size
            if size == 0 or size % SECTOR:
                raise SpecError(
                    f"guest {guest.name}: disk {disk.name}: {disk.image} has {size} bytes, "
                    f"which are not a whole number of sectors of {SECTOR} bytes"
                )
    if len(images(machine)) > MOST_IMAGES:
        raise SpecError(
            f"the machine has {len(images(machine))} disk images; at most {MOST_IMAGES} are supported"
        )


def disk_contents(machine: Machine) -> list[bytes]:
    """The contents of the disks with an image, each a boot module after the manifest."""
    return [Path(image).read_bytes() for image in images(machine)]


def prepare(machine: Machine, accel: str = "tcg") -> tuple[Path, bytes]:
    """The hypervisor's image and the manifest. Raises BulkheadError with one line for whatever is wrong."""
    check_machine(machine)
    check_reservations(machine)
    check_changes(machine)
    _check_images(machine)
    check_real_disks(machine)
    check_uplink(machine)
    check_saved_disks(machine)
    check_captures(machine, can_drain(machine, accel))
    policies = _choose_policies(machine)
    parts = Parts(
        drained=can_drain(machine, accel),
        machine=machine,
        guests=tuple(_with_values(_guest_files(guest, machine.paging), policies) for guest in machine.guests),
        policies=policies,
        dom0=_built(dom0_image(), "domain 0"),
        clock_hz=ICOUNT_HZ if accel == "tcg" and machine.ns_per_instruction is not None else 0,
        dom0_sched_values=_values("scheduler", machine.dom0_sched, policies),
    )
    manifest = build_manifest(parts)
    check_memory(machine, len(manifest))
    return _built(hypervisor_image(), "the hypervisor"), manifest
