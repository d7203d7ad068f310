"""From a `Machine` to the simulator's own description of it: settings, guests, timeline, policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bulkhead import _core
from bulkhead.backend.check import guest_frames, overhead
from bulkhead.backend.course import Changes, Course
from bulkhead.backend.groups import group_number
from bulkhead.backend.placement import release_number
from bulkhead.backend.sim.costs import Costs
from bulkhead.backend.sim.models import ALL_PCPUS, guest_model
from bulkhead.base.errors import SpecError
from bulkhead.base.layouts import RECORD
from bulkhead.base.schema import enum_value, group_mask
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Policy, TimelineEntry, pcpu_mask
from bulkhead.model.timeline import absent_at_start
from bulkhead.policy.choose import ChosenPolicy, choose
from bulkhead.policy.python import python_policy
from bulkhead.policy.tables import PYTHON, PolicyTable, domain_values, kind_number

ASK_THE_GUEST = ("shutdown", "reboot", "set_memory")  # timeline actions
LARGEST = 256 << 30  # bytes; the simulator has a number for each frame
# Bytes of trace that each simulated pCPU keeps at least. The hypervisor's ring loses nothing, since the machine stands still
# while it is emptied.
TRACED = 1 << 30
NS_UNCOUNTED = 1  # an instruction, when the machine's clock is not bound to them


def instruction_ns(machine: Machine) -> int:
    """How long an instruction takes."""
    return machine.instruction_ns or NS_UNCOUNTED


def _settings(machine: Machine, policies: Policies, given: Costs | None) -> _core.SimSettings:
    scheduler = policies.scheduler
    known = scheduler.policy if scheduler is not None else None
    return _core.SimSettings(
        pcpus=machine.pcpus,
        seed=machine.seed,
        trace_groups=group_mask(machine.trace_groups),
        trace_records=max(machine.trace_bytes, TRACED) // RECORD.itemsize,
        instruction_ns=instruction_ns(machine),
        duration_ns=machine.duration,
        dom0_weight=machine.dom0_weight,
        dom0_share=machine.control_share,
        dom0_affinity=pcpu_mask(machine.dom0_affinity) or ALL_PCPUS,
        dom0_sched_values=list(domain_values(known, machine.dom0_sched)),
        end_when_idle=machine.end_when_idle,
        costs=_costs(scheduler, given),
        frames=_guest_frames(machine),
        mib=machine.memory >> 20,
        disk=asdict(machine.disk),
        paging=asdict(machine.paging),
    )


def _guest_frames(machine: Machine) -> int:
    """Memory beyond Bulkhead's own. SpecError if none is left although a guest asks for it."""
    frames = guest_frames(machine)
    if frames < machine.paging.zones and machine.memctl is not None:
        raise SpecError(
            f"{machine.memory >> 20} MiB leave nothing for guests; Bulkhead takes {overhead(machine) >> 20} MiB"
        )
    return max(frames, machine.paging.zones)


def check_sizes(machine: Machine) -> None:
    sizes = [
        ("the machine", machine.memory),
        *((f"guest {guest.name}", guest.memory) for guest in machine.guests),
    ]
    for who, size in sizes:
        if size > LARGEST:
            raise SpecError(
                f"{who}: {size >> 20} MiB of memory are too much for the simulator; give at most {LARGEST >> 30}G"
            )


def check_asks(machine: Machine) -> None:
    for guest in machine.guests:
        if any(net.pcap is not None for net in guest.nets):
            raise SpecError(
                f"guest {guest.name}: pcap: the simulator has no network; run it with --backend qemu"
            )
        for disk in guest.disks:
            if disk.save is not None:
                raise SpecError(
                    f"guest {guest.name}: disk {disk.name}: save: the simulator's disks have no contents; "
                    "run it with --backend qemu"
                )
    for guest_name, net in machine.uplinks:
        raise SpecError(
            f"guest {guest_name}: interface {net.name}: uplink: the simulator has no network; run it with --backend qemu"
        )
    for guest_name, disk in machine.real_disks:
        raise SpecError(
            f"guest {guest_name}: disk {disk.name}: the simulator has no virtio devices; run it with --backend qemu"
        )
    for entry in machine.timeline:
        check_simulated(entry)


def check_simulated(entry: TimelineEntry) -> None:
    """SpecError if the simulator cannot do an entry of the timeline."""
    if entry.action in ASK_THE_GUEST:
        raise SpecError(
            f"timeline: {entry.action}: the simulator's guests cannot be asked; run it with --backend qemu"
        )
    if entry.policy is not None and entry.policy.name.startswith(PYTHON):
        raise SpecError(
            f"timeline: swap: {entry.policy.name} is written in Python; only a plug-in can take over"
        )


TimelineRow = tuple[int, int, int, int, Changes]


def timeline_rows(course: Course, entries: Sequence[TimelineEntry]) -> list[TimelineRow]:
    """The entries for the simulator, and the course follows them; a swap's argument counts the swaps among them."""
    names = [guest.name for guest in course.machine.guests]
    rows, swaps = [], 0
    for entry in entries:
        argument = swaps if entry.policy is not None else entry.argument
        swaps += entry.policy is not None
        action = enum_value("manifest.Action", entry.action, "timeline action")
        target = names.index(entry.guest) if entry.guest is not None else 0
        rows.append((entry.at, action, target, argument, course.changes(entry)))
        course.follow(entry)
    return rows


def successors(entries: Sequence[TimelineEntry]) -> list[ChosenPolicy]:
    """The policies that the entries swap in, one for each swap."""
    return [choose(entry.kind, entry.policy) for entry in entries if entry.policy is not None]


def _object(kind: str, spec: Policy, policy: ChosenPolicy) -> object:
    """A plug-in's path, or an object of a policy written in Python."""
    if not spec.name.startswith(PYTHON):
        return str(policy.policy.path)
    chosen = python_policy(kind, spec)
    return chosen.policy(chosen.values)


def _costs(policy: ChosenPolicy | None, given: Costs | None) -> dict[str, int]:
    """Those given for all policies, or the calibrated ones of this one [instructions]."""
    return (given or Costs.read(policy.policy.name if policy is not None else None)).instructions


def successor_row(chosen: ChosenPolicy, given: Costs | None) -> tuple[int, str, list[int], dict[str, int]]:
    policy = chosen.policy
    costs = _costs(chosen, given) if policy.kind == "scheduler" else {}
    return kind_number(policy.kind), str(policy.path), list(chosen.values), costs


@dataclass(frozen=True)
class Policies:
    """The policies of a machine, by kind; None for the built-in fallback."""

    scheduler: ChosenPolicy | None
    memory: ChosenPolicy | None
    ring: ChosenPolicy | None

    @staticmethod
    def of(machine: Machine) -> Policies:
        return Policies(
            **{
                kind: choose(kind, spec) if spec is not None else None
                for kind, spec in machine.policies.items()
            }
        )

    def guest(self, spec: Guest, absent: bool, release: int, group: int) -> _core.SimGuest:
        """The guest's model with its parameters of each policy; the numbers of the set that it starts with and of its group."""

        def values(kind: str, chosen: ChosenPolicy | None, own: dict[str, int]) -> tuple[int, ...]:
            return domain_values(chosen.policy if chosen is not None else None, own, kind)

        return guest_model(
            spec,
            values("scheduler", self.scheduler, spec.sched),
            values("memory", self.memory, spec.memctl),
            values("ring", self.ring, spec.ringctl),
            absent,
            release,
            group,
        )

    def known(self, swapped: list[ChosenPolicy]) -> dict[str, PolicyTable]:
        """By kind and name, with those that were swapped in."""
        chosen = (self.scheduler, self.memory, self.ring, *swapped)
        return {f"{p.policy.kind}:{p.policy.name}": p.policy for p in chosen if p is not None}


def _row(kind: str, spec: Policy | None, policy: ChosenPolicy | None) -> tuple[object, str, list[int]] | None:
    if spec is None or policy is None:
        return None
    return _object(kind, spec, policy), policy.policy.name, list(policy.values)


def simulation(
    course: Course, policies: Policies, costs: Costs | None, first: Sequence[TimelineEntry]
) -> _core.Simulation:
    machine = course.machine
    absent = absent_at_start(machine)
    guests = [
        policies.guest(spec, spec.name in absent, release_number(machine, spec), group_number(machine, spec))
        for spec in machine.guests
    ]
    scheduler = _row("scheduler", machine.sched, policies.scheduler)
    policy, name, values = scheduler or (None, "", [])
    try:
        return _core.Simulation(
            policy=policy,
            name=name,
            values=values,
            settings=_settings(machine, policies, costs),
            guests=guests,
            timeline=timeline_rows(course, first),
            successors=[successor_row(chosen, costs) for chosen in successors(first)],
            memory=_row("memory", machine.memctl, policies.memory),
            ring=_row("ring", machine.ringctl, policies.ring),
        )
    except _core.Refused as error:
        raise SpecError(str(error)) from None
