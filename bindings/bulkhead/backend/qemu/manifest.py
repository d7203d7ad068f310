"""Writes the boot manifest: the bytes that carry a whole run into the machine. Layouts come from abi/manifest.hpp."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.backend.course import Course
from bulkhead.backend.check import device_number, disk_bytes, dom0_bytes, guest_frames, time_mode
from bulkhead.backend.interfaces import index_of, mac_of, network_numbers, uplink_network
from bulkhead.backend.groups import group_number
from bulkhead.backend.placement import release_number
from bulkhead.backend.qemu.real import UPLINK_SLOT, disk_slots
from bulkhead.base.layouts import layout
from bulkhead.base.schema import constant, enum_value, group_mask
from bulkhead.base.units import US
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Network, Policy, TimelineEntry, pcpu_mask
from bulkhead.model.timeline import absent_at_start, batches
from bulkhead.policy.choose import ChosenPolicy
from bulkhead.policy.tables import built_policies, kind_number

WALL_CLOCK = 1_704_067_200_000_000_000  # 2024-01-01 00:00 UTC in ns: every run starts at the same instant


class _Writer:
    """Bytes that grow; every piece is told where it landed."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, piece: bytes, alignment: int = 8) -> int:
        self.data += bytes(-len(self.data) % alignment)
        offset = len(self.data)
        self.data += piece
        return offset

    def span(self, piece: bytes, alignment: int = 8) -> tuple[int, int]:
        return (self.add(piece, alignment), len(piece)) if piece else (0, 0)


@dataclass
class _Blobs:
    """Files as page-aligned spans; the same file is stored once."""

    writer: _Writer
    known: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def span(self, path: Path) -> tuple[int, int]:
        if path not in self.known:
            self.known[path] = self.writer.span(path.read_bytes(), constant("page_bytes"))
        return self.known[path]


@dataclass(frozen=True)
class GuestFiles:
    """A guest whose files are found."""

    spec: Guest
    kernel: Path
    initrd: Path | None
    cmdline: str
    sched_values: tuple[int, ...] = ()  # in the order of the scheduler's domain parameters
    memory_values: tuple[int, ...] = ()  # and of the memory policy's
    ring_values: tuple[int, ...] = ()  # likewise of the ring policy's


@dataclass(frozen=True)
class Parts:
    """All that a manifest is made from, already checked."""

    machine: Machine
    guests: tuple[GuestFiles, ...]
    policies: tuple[ChosenPolicy, ...]
    dom0: Path
    clock_hz: int  # 0: the hypervisor calibrates
    drained: bool  # whether trace rings are drained when they are full
    dom0_sched_values: tuple[int, ...] = ()  # in the order of the scheduler's domain parameters


def _table(name: str, rows: int) -> np.ndarray[Any, np.dtype[Any]]:
    return np.zeros(rows, dtype=layout(name))


def _guest_table(parts: Parts, writer: _Writer, blobs: _Blobs) -> bytes:
    table = _table("manifest.Guest", len(parts.guests))
    absent = absent_at_start(parts.machine)
    for row, guest in zip(table, parts.guests):
        spec = guest.spec
        row["name"] = spec.name.encode()
        row["kernel"] = blobs.span(guest.kernel)
        row["initrd"] = blobs.span(guest.initrd) if guest.initrd else (0, 0)
        row["cmdline"] = writer.span(guest.cmdline.encode())
        row["memory_bytes"], row["max_memory_bytes"] = spec.memory, spec.most_memory
        row["vcpus"] = spec.vcpus
        row["weight"], row["cap"] = spec.weight, spec.cap
        row["time_mode"], row["dilation"] = time_mode(spec.time_mode)
        row["on_crash"] = enum_value("manifest.OnCrash", spec.on_crash, "crash action")
        row["start_paused"], row["absent"] = spec.start_paused, spec.name in absent
        row["start"], row["release"] = spec.start, release_number(parts.machine, spec)
        row["group"] = group_number(parts.machine, spec)
        row["sched_values"][: len(guest.sched_values)] = guest.sched_values
        row["memory_values"][: len(guest.memory_values)] = guest.memory_values
        row["ring_values"][: len(guest.ring_values)] = guest.ring_values
    return table.tobytes()


def _placement_table(machine: Machine) -> np.ndarray[Any, np.dtype[Any]]:
    rows = [
        (number, vcpu, *guest.masks(vcpu))
        for number, guest in enumerate(machine.guests)
        for vcpu in range(guest.vcpus)
        if any(guest.masks(vcpu))
    ]
    table = _table("manifest.Placement", len(rows))
    for row, (guest, vcpu, affinity, preferred) in zip(table, rows):
        row["guest"], row["vcpu"], row["affinity"], row["preferred"] = guest, vcpu, affinity, preferred
    return table


def images(machine: Machine) -> list[str]:
    """Files with the contents of disks, in the order of the boot modules that follow the manifest."""
    return [disk.image for guest in machine.guests for disk in guest.disks if disk.image and not disk.is_real]


def _disk_table(machine: Machine) -> np.ndarray[Any, np.dtype[Any]]:
    disks = [(number, disk) for number, guest in enumerate(machine.guests) for disk in guest.disks]
    table, module, slots = _table("manifest.Disk", len(disks)), 0, iter(disk_slots(machine))
    for row, (guest, disk) in zip(table, disks):
        is_loaded = disk.image is not None and not disk.is_real
        module += is_loaded
        row["guest"], row["device"], row["bytes"] = guest, device_number(disk), disk_bytes(disk)
        row["module"], row["read_only"] = module if is_loaded else 0, disk.read_only
        row["slot"] = next(slots) if disk.is_real else 0
    return table


def _interface_table(machine: Machine) -> np.ndarray[Any, np.dtype[Any]]:
    interfaces = [(number, net) for number, guest in enumerate(machine.guests) for net in guest.nets]
    table, networks = _table("manifest.Interface", len(interfaces)), network_numbers(machine)
    for row, (guest, net) in zip(table, interfaces):
        row["guest"], row["index"], row["network"] = guest, index_of(net), networks[net.switch]
        row["mac"], row["captured"] = mac_of(guest, net), net.pcap is not None
    return table


def _describe_network(row: Any, network: Network) -> None:
    row["packet"], row["delay"], row["buffer"] = network.packet_us * US, network.delay_us * US, network.buffer
    row["bytes_per_us"], row["link_bytes_per_us"] = network.bytes_per_us, network.link_bytes_per_us


KINDS = ("scheduler", "memory", "ring")  # of the policies that the hypervisor supports


def first_policies(machine: Machine) -> dict[str, Policy]:
    """The policies that the run begins with, by kind, in the order of the manifest's table."""
    return {kind: spec for kind in KINDS if (spec := machine.policies[kind]) is not None}


def successors(machine: Machine) -> list[tuple[str, Policy]]:
    """The policies that may take over, each once, with their kinds; in the manifest they follow those of the start.

    A machine that stops for orders brings all that are built of the kinds that it begins with, since it cannot know which
    it will be told to take; their parameters come with the order.
    """
    first, *later = batches(machine.timeline)
    found = [(entry.kind, entry.policy) for entry in first if entry.policy is not None]
    for kind, begun in first_policies(machine).items() if later else ():
        named = (e.policy.name for batch in later for e in batch if e.policy is not None and e.kind == kind)
        all_names = dict.fromkeys([*built_policies(kind), *named])
        found += [(kind, Policy(name)) for name in all_names if name != begun.name]
    unique: list[tuple[str, Policy]] = []
    for each in found:
        if each not in unique:
            unique.append(each)
    return unique


def ordered_policy(machine: Machine, kind: str, spec: Policy) -> int:
    """Place in the manifest's table of a policy that is swapped in by an order, whatever its parameters."""
    begun = first_policies(machine)
    if kind in begun and spec.name == begun[kind].name:
        return list(begun).index(kind)
    return len(begun) + successors(machine).index((kind, Policy(spec.name)))


def write_entry(row: Any, entry: TimelineEntry, course: Course, policy: int) -> None:
    """One TimelineEntry, and the course follows it; `policy` is the place of the entry's policy if it is a swap."""
    row["at"], row["argument"] = entry.at, policy if entry.policy is not None else entry.argument
    row["action"] = enum_value("manifest.Action", entry.action, "timeline action")
    names = [guest.name for guest in course.machine.guests]
    row["target"] = names.index(entry.guest) if entry.guest is not None else 0
    kind, changes = course.changes(entry)
    row["changes"]["kind"], row["changes"]["count"] = kind, len(changes)
    for i, (key, value) in enumerate(changes):
        row["changes"]["keys"][i], row["changes"]["values"][i] = key, value
    course.follow(entry)


def _timeline_table(machine: Machine) -> np.ndarray[Any, np.dtype[Any]]:
    """The entries that the machine begins with: the rest comes to it at its stops."""
    entries, swapped, course = batches(machine.timeline)[0], successors(machine), Course(machine)
    table = _table("manifest.TimelineEntry", len(entries))
    for row, entry in zip(table, entries):
        place = swapped.index((entry.kind, entry.policy)) if entry.policy is not None else 0
        write_entry(row, entry, course, len(first_policies(machine)) + place)
    return table


def _policy_table(parts: Parts, blobs: _Blobs) -> bytes:
    table = _table("manifest.Policy", len(parts.policies))
    for row, chosen in zip(table, parts.policies):
        row["kind"] = kind_number(chosen.policy.kind)
        row["name"] = chosen.policy.name.encode()
        row["parameter_count"] = len(chosen.values)
        row["parameters"][: len(chosen.values)] = chosen.values
        row["object"] = blobs.span(chosen.policy.path)
    return table.tobytes()


def build_manifest(parts: Parts) -> bytes:
    """The manifest's bytes. OSError if a file vanished since it was checked."""
    machine, writer = parts.machine, _Writer()
    blobs = _Blobs(writer)
    header = _table("manifest.Header", 1)
    writer.add(header.tobytes())
    row = header[0]
    row["guests"] = writer.add(_guest_table(parts, writer, blobs))
    timeline = _timeline_table(machine)
    row["timeline"] = writer.add(timeline.tobytes())
    row["policies"] = writer.add(_policy_table(parts, blobs))
    disks, drive = _disk_table(machine), machine.disk
    row["disks"], row["disk_count"] = writer.add(disks.tobytes()), len(disks)
    row["drive"]["request"], row["drive"]["seek"] = drive.request_us * US, drive.seek_us * US
    row["drive"]["bytes_per_us"], row["drive"]["depth"] = drive.bytes_per_us, drive.depth
    row["drive"]["unbilled"], row["drive"]["flush"] = drive.billed == 0, drive.flush_us * US
    row["drive"]["stroke"], row["drive"]["channels"] = drive.stroke_us * US, drive.channels
    row["drive"]["program"], row["drive"]["erase"] = drive.program_us * US, drive.erase_us * US
    row["drive"]["erase_bytes"] = drive.erase_kib << 10
    interfaces = _interface_table(machine)
    row["interfaces"], row["interface_count"] = writer.add(interfaces.tobytes()), len(interfaces)
    if machine.uplinks:
        row["uplink_slot"], row["uplink_network"] = UPLINK_SLOT, uplink_network(machine)
    placements = _placement_table(machine)
    row["placements"], row["placement_count"] = writer.add(placements.tobytes()), len(placements)
    _describe_network(row["network"], machine.network)
    row["guest_count"], row["timeline_count"] = len(parts.guests), len(timeline)
    row["policy_count"] = len(parts.policies)
    row["magic"], row["version"] = constant("manifest.magic"), constant("manifest.version")
    row["header_bytes"] = header.itemsize
    row["seed"], row["duration"], row["wall_clock"] = machine.seed, machine.duration, WALL_CLOCK
    row["clock_hz"], row["trace_bytes"] = parts.clock_hz, machine.trace_bytes
    row["memory_period"], row["memory_frames"] = machine.paging.period_us * 1000, guest_frames(machine)
    row["memory_samples"], row["memory_force"] = machine.paging.sampled, machine.paging.by_force != 0
    row["memory_zones"], row["memory_colours"] = machine.paging.zones, machine.paging.colours
    row["trace_mask"], row["drained"] = group_mask(machine.trace_groups), parts.drained
    row["console_rate"], row["end_when_idle"] = machine.console_rate, machine.end_when_idle
    row["dom0_kernel"] = blobs.span(parts.dom0)
    writer.data += bytes(-len(writer.data) % constant("page_bytes"))
    row["total_bytes"] = len(writer.data)
    row["dom0_memory_bytes"] = dom0_bytes(machine, len(writer.data))
    row["dom0_weight"], row["pcpus"] = machine.dom0_weight, machine.pcpus
    row["dom0_share"], row["dom0_affinity"] = machine.control_share, pcpu_mask(machine.dom0_affinity)
    row["guard"] = enum_value("manifest.Guard", machine.guard, "guard")
    row["no_linear_tables"] = not machine.linear_tables
    row["dom0_sched_values"][: len(parts.dom0_sched_values)] = parts.dom0_sched_values
    row["parallel"] = parts.clock_hz != 0 and machine.parallel and machine.pcpus > 1
    names = [guest.name for guest in machine.guests]
    row["terminal"] = 1 + names.index(machine.terminal) if machine.terminal is not None else 0
    writer.data[: header.itemsize] = header.tobytes()
    return bytes(writer.data)
