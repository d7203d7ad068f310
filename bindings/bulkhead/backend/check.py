"""Checks of a `Machine` that need no file, the same for every back end. Each mistake is one line that says what to write."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from bulkhead import _core
from bulkhead.backend.interfaces import check_interfaces
from bulkhead.backend.groups import check_groups
from bulkhead.backend.placement import check_pcpus, check_placement, check_releases
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant, enum_value, group_mask
from bulkhead.base.text import suggest
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import DEVICES, Disk, Guest, GuestDisk, Network, Paging, Policy, TimelineEntry
from bulkhead.model.timeline import absent_at_start
from bulkhead.model.workloads import check_abi
from bulkhead.policy.tables import KIND_TEXT, option_of

LEAST_GUEST_MEMORY = 1 * MIB
HYPERVISOR_BYTES = 16 * MIB  # with its reserve
HYPERVISOR_BYTES_PER_FRAME = 64  # frame table, machine-to-physical table
LONGEST_DURATION = 1 << 62  # ns
DILATION_UNIT = 1000
DOM0_MOST = 32 * MIB  # of what it gets beyond its need
DOM0_ROOM = 8 * MIB  # beside its copy of the manifest: itself, and what its first mapping rounds up to 4 MiB
SECTOR = 512
DISK_NAMES = tuple(f"xvd{letter}" for letter in "abcdefghijklmnop")
REAL_DEVICE_BYTES = 4 << 20  # queues, and memory that bytes of virtio devices move through
FIRST_DISK, DISK_STEP = 51712, 16  # major 202; a disk has 16 minors
DOM0_PER_GUEST = 160 << 10  # its console and its part of the store; measured: 64 KiB each of 350
DOM0_STORE = 1 * MIB  # for each guest and itself: the whole quota of a guest in the store fits three times
FRAME_NUMBER_BYTES = 8  # in the list of a guest's frames, which domain 0 holds while it builds the guest
RESERVED_NAMES = ("bulkhead", "dom0")
NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
NEEDS_GUEST = (
    "unpause",
    "pause",
    "destroy",
    "set_weight",
    "create",
    "shutdown",
    "reboot",
    "set_memory",
    "set_affinity",
    "set_parameters",
)


def _check_guest(spec: Guest, pcpus: int) -> None:
    what = f"guest {spec.name}"
    limit = constant("manifest.name_bytes") - 1
    if not 1 <= len(spec.name) <= limit or not set(spec.name) <= NAME_CHARACTERS:
        raise SpecError(f"guest name '{spec.name}': write 1 to {limit} letters, digits, '_', '.' or '-'")
    if spec.name in RESERVED_NAMES:
        raise SpecError(f"guest name '{spec.name}' is taken by Bulkhead itself; choose another")
    if spec.memory < LEAST_GUEST_MEMORY:
        raise SpecError(f"{what}: {spec.memory} bytes of memory are too little; give at least 1M")
    if spec.most_memory < spec.memory:
        raise SpecError(
            f"{what}: maxmem is {_mib(spec.most_memory)}, less than the {_mib(spec.memory)} that it starts with"
        )
    if not 1 <= spec.vcpus <= 32:
        raise SpecError(f"{what}: vcpus={spec.vcpus} is outside 1 to 32")
    if not 1 <= spec.weight <= 65535:
        raise SpecError(f"{what}: weight={spec.weight} is outside 1 to 65535")
    if not 0 <= spec.cap <= 100 * spec.vcpus:
        raise SpecError(f"{what}: cap={spec.cap} is outside 0 to {100 * spec.vcpus} per cent")
    check_placement(spec, pcpus)
    if not 0 <= spec.phase <= LONGEST_DURATION:
        raise SpecError(f"{what}: phase={spec.phase} ns is outside 0 to {LONGEST_DURATION}")
    _check_disks(spec)
    check_abi(spec)
    time_mode(spec.time_mode)
    enum_value("manifest.OnCrash", spec.on_crash, "crash action")


def _check_starts(machine: Machine) -> None:
    absent = absent_at_start(machine)
    for spec in machine.guests:
        what = f"guest {spec.name}: start={spec.start} ns"
        if not 0 <= spec.start < machine.duration:
            raise SpecError(f"{what} is outside 0 to the run's duration, {machine.duration} ns")
        if spec.start and spec.start_paused:
            raise SpecError(f"{what} and start_paused exclude each other; leave one of them out")
        if spec.start and spec.name in absent:
            raise SpecError(f"{what}: the timeline creates this guest; give that entry another time")
    check_releases(machine)
    check_groups(machine)


def time_mode(text: str) -> tuple[int, int]:
    """TimeMode and dilation (in 1/1000) of "real", "virtual" or "dilated:K". SpecError for anything else."""
    name, colon, factor = text.partition(":")
    if (name == "dilated") != bool(colon):
        raise SpecError(f"time mode '{text}': write real, virtual or dilated:K, for example dilated:10")
    mode = enum_value("manifest.TimeMode", name, "time mode")
    try:
        dilation = round(float(factor) * DILATION_UNIT) if colon else DILATION_UNIT
    except (ValueError, OverflowError):
        raise SpecError(f"time mode '{text}': '{factor}' is not a number") from None
    if not DILATION_UNIT <= dilation <= 1000 * DILATION_UNIT:
        raise SpecError(f"time mode '{text}': the factor must be between 1 and 1000")
    return mode, dilation


def disk_bytes(disk: GuestDisk) -> int:
    """Size of the disk's contents; an image that cannot be read has none."""
    if disk.size is not None:
        return disk.size
    return Path(disk.image).stat().st_size if disk.image is not None and Path(disk.image).is_file() else 0


def device_number(disk: GuestDisk) -> int:
    """The number that Linux makes the disk's name of: 51712 is xvda."""
    return FIRST_DISK + DISK_STEP * DISK_NAMES.index(disk.name)


def _check_disks(spec: Guest) -> None:
    names = set()
    for disk in spec.disks:
        if not isinstance(disk, GuestDisk):
            raise SpecError(f"guest {spec.name}: disks: {disk!r} is not a GuestDisk")
        what = f"guest {spec.name}: disk {disk.name}"
        if disk.name not in DISK_NAMES:
            raise SpecError(f"{what}: write a name from {DISK_NAMES[0]} to {DISK_NAMES[-1]}")
        if disk.name in names:
            raise SpecError(f"guest {spec.name}: two disks are named {disk.name}; give them different names")
        names.add(disk.name)
        if disk.save is not None and not isinstance(disk.save, str):
            raise SpecError(f"{what}: save={disk.save!r} is not the path of a file")
        if disk.device not in DEVICES:
            raise SpecError(f"{what}: device '{disk.device}' is unknown; write {' or '.join(DEVICES)}")
        if disk.is_real and disk.image is None:
            raise SpecError(f"{what}: a virtio disk is a file; give its image, for example disk=PATH:virtio")
        if (disk.size is None) == (disk.image is None):
            raise SpecError(f"{what}: give either a size or an image")
        if disk.size is not None and (disk.size < SECTOR or disk.size % SECTOR):
            raise SpecError(f"{what}: {disk.size} bytes are not a whole number of sectors of {SECTOR} bytes")


def dom0_bytes(machine: Machine, manifest_bytes: int) -> int:
    """Domain 0's memory in bytes. SpecError if the machine gives it less than it needs."""
    needed = _dom0_needs(machine, manifest_bytes)
    if not machine.dom0_memory:
        return max(needed, min(DOM0_MOST, needed + (len(machine.guests) + 1) * DOM0_STORE))
    if machine.dom0_memory < needed:
        raise SpecError(
            f"domain 0: {_mib(machine.dom0_memory)} are too little to build these guests; write mem={_mega(needed)} "
            "in --dom0 (dom0_memory in Python), or leave it out"
        )
    return machine.dom0_memory


def _dom0_needs(machine: Machine, manifest_bytes: int) -> int:
    """It holds a copy of the manifest and the list of one guest's frames; and something of each guest."""
    frames = max((guest.memory for guest in machine.guests), default=0) // constant("page_bytes")
    return DOM0_ROOM + manifest_bytes + frames * FRAME_NUMBER_BYTES + len(machine.guests) * DOM0_PER_GUEST


def promised_bytes(guest: Guest) -> int:
    """What the hypervisor sets aside for a guest when it is created: its memory, and what it may cost beside."""
    pages = -(-guest.memory // constant("page_bytes"))
    return _core.promised_frames(pages, guest.vcpus) * constant("page_bytes")


def overhead(machine: Machine) -> int:
    """Bytes that are not for guests: hypervisor, its tables, trace rings, domain 0."""
    tables = machine.memory // constant("page_bytes") * HYPERVISOR_BYTES_PER_FRAME
    return HYPERVISOR_BYTES + tables + machine.pcpus * machine.trace_bytes + dom0_bytes(machine, 0)


def guest_frames(machine: Machine) -> int:
    """Frames beyond Bulkhead's own, for a memory policy to share out; the same on every back end, 0 if none are left."""
    return max(machine.memory - overhead(machine), 0) // constant("page_bytes")


def check_memory(machine: Machine, manifest_bytes: int = 0) -> None:
    """SpecError if guests and Bulkhead do not fit.

    `manifest_bytes` are known only once all files have been read; then the check is repeated.
    """
    guests = sum(guest.memory for guest in machine.guests)
    promised = sum(promised_bytes(guest) for guest in machine.guests)
    more_for_dom0 = dom0_bytes(machine, manifest_bytes) - dom0_bytes(machine, 0)
    modelled = (disk for guest in machine.guests for disk in guest.disks if not disk.is_real)
    disks = sum(map(disk_bytes, modelled)) + (REAL_DEVICE_BYTES if machine.has_real_devices else 0)
    needed = promised + overhead(machine) + manifest_bytes + more_for_dom0 + disks
    if needed > machine.memory:
        raise SpecError(
            f"{machine.memory // MIB} MiB are too little: the guests want {-(-guests // MIB)} MiB and Bulkhead "
            f"{-(-(needed - guests) // MIB)} MiB; give the machine at least --mem {-(-needed // MIB)}M"
        )


def _mib(size: int) -> str:
    return f"{-(-size // MIB)} MiB"


def _mega(size: int) -> str:
    return f"{-(-size // MIB)}M"


def _check_set_memory(size: int, guest: Guest) -> None:
    if size < LEAST_GUEST_MEMORY:
        raise SpecError(f"timeline: set_memory to {size} bytes is too little; give at least 1 MiB")
    if size > guest.most_memory:
        raise SpecError(
            f"timeline: set_memory to {_mib(size)} is more than guest {guest.name} may have, "
            f"{_mib(guest.most_memory)}; give it maxmem={-(-size // MIB)}M"
        )


def _check_model(what: str, model: Disk | Network | Paging, ranges: dict[str, tuple[int, int]]) -> None:
    for field in fields(model):
        value, (least, most) = getattr(model, field.name), ranges.get(field.name, (0, 1_000_000_000))
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise SpecError(f"{what}: {field.name}={value!r} is not a whole number from {least} to {most}")


def _check_devices(machine: Machine) -> None:
    if not isinstance(machine.disk, Disk):
        raise SpecError(f"disk={machine.disk!r} is not a Disk")
    if not isinstance(machine.network, Network):
        raise SpecError(f"network={machine.network!r} is not a Network")
    if not isinstance(machine.paging, Paging):
        raise SpecError(f"paging={machine.paging!r} is not a Paging")
    ranges = {"bytes_per_us": (1, 1_000_000), "depth": (1, 256), "channels": (1, 64), "billed": (0, 1)}
    _check_model("disk", machine.disk, ranges)
    if (machine.disk.erase_us == 0) != (machine.disk.erase_kib == 0):
        raise SpecError("disk: erase_us and erase_kib belong together; give both, or neither")
    rate = (1, 1_000_000)
    ranges = {"bytes_per_us": rate, "link_bytes_per_us": rate, "buffer": (1, 64)}
    _check_model("network", machine.network, ranges)
    check_interfaces(machine)
    ranges = {
        "zones": (1, 64),
        "colours": (0, 1),
        "period_us": (1_000, 1_000_000),
        "sampled": (0, 512),
        "by_force": (0, 2),
    }
    _check_model("paging", machine.paging, ranges)


def _check_policy(machine: Machine, entry: TimelineEntry) -> None:
    if (entry.action == "swap") != (entry.policy is not None):
        raise SpecError(
            f"timeline: {entry.action}: a swap, and nothing else, names the policy that takes over"
        )
    option = option_of(entry.kind, f"timeline: {entry.action}")
    if (entry.action == "set_parameters") != (entry.parameters is not None):
        raise SpecError(
            f"timeline: {entry.action}: a set_parameters, and nothing else, has the parameters that change"
        )
    if entry.parameters is not None and not entry.parameters:
        raise SpecError(f"timeline: set_parameters of {entry.guest}: name a parameter that changes")
    if entry.action == "swap" and getattr(machine, option) is None:
        raise SpecError(
            f"timeline: swap: name the {KIND_TEXT[entry.kind]} that the run begins with, too (--{option})"
        )


def check_entry(machine: Machine, entry: TimelineEntry) -> None:
    """One entry of the machine's timeline. SpecError, one line that names what is wrong."""
    if not isinstance(entry, TimelineEntry):
        raise SpecError(f"timeline: {entry!r} is not a TimelineEntry")
    _check_types("timeline: ", entry)
    names = [guest.name for guest in machine.guests]
    enum_value("manifest.Action", entry.action, "timeline action")
    if entry.at < 0:
        raise SpecError(f"timeline: {entry.action} at {entry.at} ns is before the start")
    if entry.action in NEEDS_GUEST and entry.guest not in names:
        raise SpecError(
            f"timeline: {entry.action} of '{entry.guest}', which is not a guest of this machine"
            f"{suggest(str(entry.guest), names)}"
        )
    _check_policy(machine, entry)
    if entry.action == "set_weight" and not 1 <= entry.argument <= 65535:
        raise SpecError(f"timeline: set_weight: {entry.argument} is outside 1 to 65535")
    if entry.action == "set_affinity" and not 0 < entry.argument < 1 << machine.pcpus:
        raise SpecError(
            f"timeline: set_affinity: {entry.argument:#x} is not a mask of the machine's {machine.pcpus} pCPUs"
        )
    if entry.action == "set_memory":
        _check_set_memory(entry.argument, next(g for g in machine.guests if g.name == entry.guest))


def _check_options(machine: Machine) -> None:
    most = constant("landmark.max_pcpus")
    if not 1 <= machine.pcpus <= most:
        raise SpecError(f"pcpus={machine.pcpus} is outside 1 to {most}")
    if not 1 <= machine.duration <= LONGEST_DURATION:
        raise SpecError(f"duration={machine.duration} ns is outside 1 to {LONGEST_DURATION}")
    if not 1 <= machine.dom0_weight <= 65535:
        raise SpecError(f"dom0_weight={machine.dom0_weight} is outside 1 to 65535")
    if not 0 <= machine.control_share <= 100:
        raise SpecError(f"dom0_share={machine.dom0_share} is outside 0 to 100")
    check_pcpus("dom0_affinity", machine.dom0_affinity, machine.pcpus)
    _ = machine.instruction_ns  # a SpecError if it is impossible
    enum_value("manifest.Guard", machine.guard, "guard")
    if machine.accel not in ("tcg", "kvm", "auto"):
        raise SpecError(f"accel '{machine.accel}': write tcg, kvm or auto")
    if not 0 <= machine.seed < 1 << 64:
        raise SpecError(f"seed={machine.seed} is outside 0 to 2**64-1")
    if machine.trace_bytes <= 0 or machine.trace_bytes % constant("page_bytes"):
        raise SpecError(f"trace_bytes={machine.trace_bytes} is not a whole number of pages")
    group_mask(machine.trace_groups)
    names = [guest.name for guest in machine.guests]
    if machine.terminal is not None and machine.terminal not in names:
        raise SpecError(f"terminal: no guest is named '{machine.terminal}'")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SpecError(f"two guests are named '{min(twice)}'; give them different names")


# What a field's annotation allows, and how a message calls it.
PLAIN_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "int | None": ((int, type(None)), "a whole number or None"),
    "str": ((str,), "text"),
    "str | None": ((str, type(None)), "text or None"),
    "bool": ((bool,), "True or False"),
    "Policy | None": ((Policy, type(None)), "a Policy or None"),
    "tuple[Guest, ...]": ((tuple,), "a tuple of Guest"),
    "tuple[GuestDisk, ...]": ((tuple,), "a tuple of GuestDisk"),
    "tuple[GuestNet, ...]": ((tuple,), "a tuple of GuestNet"),
    "tuple[TimelineEntry, ...]": ((tuple,), "a tuple of TimelineEntry"),
    "tuple[str, ...]": ((tuple,), "a tuple of names"),
    "tuple[int, ...] | None": ((tuple, type(None)), "a tuple of pCPU numbers or None"),
    "dict[str, int]": ((dict,), "a dict of whole numbers by name"),
    "dict[str, int] | None": ((dict, type(None)), "a dict of whole numbers by name, or None"),
}


def _check_types(what: str, described: Guest | Machine | TimelineEntry) -> None:
    """SpecError for a value of a wrong type, found here where its name is known."""
    for field in fields(described):
        allowed, words = PLAIN_TYPES.get(str(field.type), ((object,), ""))
        value = getattr(described, field.name)
        stray_bool = isinstance(value, bool) and allowed not in ((bool,), (object,))
        if stray_bool or not isinstance(value, allowed):
            raise SpecError(f"{what}{field.name}={value!r} is not {words}")


def check_machine(machine: Machine) -> None:
    """All that can be checked without files, for every back end. SpecError, one line that names what is wrong."""
    _check_types("", machine)
    for guest in machine.guests:
        if not isinstance(guest, Guest):
            raise SpecError(f"guests: {guest!r} is not a Guest")
        _check_types(f"guest {guest.name}: ", guest)
    _check_options(machine)
    for guest in machine.guests:
        _check_guest(guest, machine.pcpus)
    _check_starts(machine)
    if machine.memctl is None:  # a memory policy may have less to give than guests could use
        check_memory(machine)
    _check_devices(machine)
    for entry in machine.timeline:
        check_entry(machine, entry)
    for name in machine.absent or ():
        if name not in {guest.name for guest in machine.guests}:
            raise SpecError(f"absent: '{name}' is not a guest of this machine")
