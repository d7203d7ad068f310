"""A machine, and the registry of what carries machines out. A value: what it does, the layers to the right have registered.

The registry is what lets `Machine.run`, `.watch` and `.start` be methods of a value that imports no back end.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkhead.base.errors import SpecError
from bulkhead.base.html import MS, table
from bulkhead.base.paths import KIND_FOLDER
from bulkhead.base.text import suggest
from bulkhead.base.units import MIB, SECOND
from bulkhead.model.clock import instruction_ns
from bulkhead.model.given import set_durations, set_sizes, set_tuples
from bulkhead.model.options import RunOptions
from bulkhead.model.spec import Disk, Guest, GuestDisk, GuestNet, Network, Paging, Policy, TimelineEntry

# Names of what is registered and of what the methods return; nothing of it is imported at run time.
if TYPE_CHECKING:
    from bulkhead.backend.protocol import Backend
    from bulkhead.live.steer import Live
    from bulkhead.live.watch import Watch
    from bulkhead.model.run import Run


class Registry:
    """The back ends by name, and the two ways of keeping a machine in hand while it runs."""

    def __init__(self) -> None:
        self._backends: dict[str, Backend] = {}
        self._watch: type[Watch] | None = None
        self._live: type[Live] | None = None

    def add_backend(self, backend: Backend) -> None:
        """A back end registers under its name; the last one of a name stays."""
        self._backends[backend.name] = backend

    def add_watch(self, watch: type[Watch]) -> None:
        """The value that `Machine.watch` returns."""
        self._watch = watch

    def add_live(self, live: type[Live]) -> None:
        """The value that `Machine.start` returns."""
        self._live = live

    def _load(self) -> None:
        """Those who register do so on import: the public part of the package imports them all."""
        if self._live is None:
            importlib.import_module("bulkhead.public")

    @property
    def backends(self) -> Mapping[str, Backend]:
        """All back ends."""
        self._load()
        return self._backends

    def backend(self, name: str) -> Backend:
        """The back end of that name. SpecError for any other."""
        self._load()
        if name not in self._backends:
            raise SpecError(f"unknown back end '{name}'{suggest(name, self._backends)}")
        return self._backends[name]

    def cannot_carry_out(self, name: str, machine: Machine) -> str | None:
        """Why the back end of that name can never carry a machine out; None if it can."""
        return self.backend(name).cannot_carry_out(machine)

    def watch(self, machine: Machine, every: float, options: RunOptions, backend: str) -> Watch:
        """A machine that is watched. SpecError for an unknown back end."""
        chosen = self.backend(backend)
        assert self._watch is not None, "the layer live registers on import"
        return self._watch(lambda: chosen.begin(machine, options), every)

    def start(self, machine: Machine, options: RunOptions, backend: str) -> Live:
        """A machine that is steered. SpecError for an unknown back end."""
        chosen = self.backend(backend)
        assert self._live is not None, "the layer live registers on import"
        return self._live(machine, lambda started: chosen.begin(started, options, held=True))


REGISTRY = Registry()
CONTROL_SHARE = 25  # of domain 0, per cent of one pCPU


@dataclass(frozen=True)
class Machine:
    """Everything that decides a run: same machine, same build, same QEMU, same trace.

    Sizes may also be text ("64M"), durations too ("1s"), a policy its name ("NAME" or "NAME:p=5000"), and lists
    may stand for tuples.
    """

    guests: tuple[Guest, ...]
    sched: Policy | None = None  # None: the hypervisor's built-in fallback
    memctl: Policy | None = None
    ringctl: Policy | None = None
    pcpus: int = 1
    memory: int = 512 * MIB
    duration: int = 2 * SECOND  # real time of the machine, from the end of building
    timeline: tuple[TimelineEntry, ...] = ()
    # Guests that are not built at the start; None: those whose first timeline entry is a create.
    absent: tuple[str, ...] | None = None
    accel: str = "tcg"  # tcg, kvm, auto
    # Length of an instruction of a pCPU, in ns; 0: 4, or the next that the number of pCPUs allows; None: the clock does
    # not count instructions, and then the run is not reproducible.
    ns_per_instruction: int | None = 0
    # A pCPU's speed does not depend on what the others do. False spares the emulator the turns of idle pCPUs: for tests
    # of what is right, not of how long it takes.
    parallel: bool = True
    # strict: a policy's hook that writes anything but its own memory ejects it. On the hypervisor only; hooks take longer.
    guard: str = "normal"
    # Guests may map page tables of a level in tables of the same level, as NetBSD does. The simulator has no page tables.
    linear_tables: bool = True
    seed: int = 1
    trace_groups: tuple[str, ...] = ("run", "sched", "mark", "lifecycle", "event", "policy")
    trace_bytes: int = 16 * MIB  # per pCPU
    dom0_memory: int = 0  # 0: as much as it needs to build the guests
    dom0_weight: int = 2048  # under a scheduler that honours weights
    # Per cent of one pCPU that domain 0 has beside its turns under a scheduler that ignores weights; None: 25, or none if
    # `dom0_sched` reserves something for it.
    dom0_share: int | None = None
    dom0_sched: dict[str, int] = field(default_factory=dict)  # as `sched` of a guest
    dom0_affinity: tuple[int, ...] | None = None  # pCPUs that domain 0 may use; None: all
    console_rate: int = 65536  # bytes per second and guest, 0 for no limit
    terminal: str | None = None  # guest whose console takes what is typed; such a run cannot be repeated
    end_when_idle: bool = True  # end as soon as every guest has shut down
    disk: Disk = Disk()  # the drive that all disks are parts of
    network: Network = Network()  # the switch that all interfaces are ports of
    paging: Paging = Paging()  # under a memory policy

    def __post_init__(self) -> None:
        set_sizes(self, "memory", "trace_bytes", "dom0_memory")
        set_durations(self, "duration")
        set_tuples(self, "guests", "timeline", "absent", "trace_groups", "dom0_affinity")
        for name in KIND_FOLDER.values():
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, Policy.of(text))

    @property
    def real_disks(self) -> tuple[tuple[str, GuestDisk], ...]:
        """Its disks that are files of this computer, each with the name of its guest. No run with one can be repeated."""
        return tuple((guest.name, disk) for guest in self.guests for disk in guest.disks if disk.is_real)

    @property
    def uplinks(self) -> tuple[tuple[str, GuestNet], ...]:
        """Its interfaces whose networks reach this computer, each with the name of its guest."""
        return tuple(
            (guest.name, net) for guest in self.guests for net in guest.nets if net.uplink is not None
        )

    @property
    def has_real_devices(self) -> bool:
        """Whether the world outside answers it, in its own time."""
        return bool(self.real_disks or self.uplinks)

    def run(self, options: RunOptions | None = None, backend: str = "qemu") -> Run:
        """Carry it out and return the `Run`: backend "qemu" boots the hypervisor, "sim" simulates it.

        Blocks; Ctrl-C ends it; safe to call from several threads. Raises `BulkheadError` for bad input.
        """
        return REGISTRY.backend(backend).run(self, options or RunOptions())

    def watch(self, every: float = 0.5, options: RunOptions | None = None, backend: str = "qemu") -> Watch:
        """Run it and look: iterate over the `Watch` for a `Sample` about `every` seconds of this computer.

        The machine cannot tell that it is watched: same trace as `run`. Raises `BulkheadError` for bad input.
        """
        return REGISTRY.watch(self, every, options or RunOptions(), backend)

    def start(self, options: RunOptions | None = None, backend: str = "qemu") -> Live:
        """Start it and keep it in hand: the `Live` machine stands still at its beginning, with its guests built.

        Raises `BulkheadError` for bad input.
        """
        return REGISTRY.start(self, options or RunOptions(), backend)

    @property
    def instruction_ns(self) -> int | None:
        """The length of an instruction of a pCPU in ns; None if the clock does not count them. SpecError if impossible."""
        if self.ns_per_instruction is None:
            return None
        return instruction_ns(self.ns_per_instruction, self.pcpus, self.parallel)

    @property
    def control_share(self) -> int:
        """Domain 0's share under a scheduler that ignores weights, in per cent of one pCPU; 0: none."""
        if self.dom0_share is None:
            return 0 if self.dom0_sched else CONTROL_SHARE
        return self.dom0_share

    @property
    def policies(self) -> dict[str, Policy | None]:
        """The policies by kind; None for the built-in fallback."""
        return {kind: getattr(self, folder) for kind, folder in KIND_FOLDER.items()}

    def _repr_html_(self) -> str:
        """One row for each guest."""
        sched = self.sched.name if self.sched is not None else "the built-in fallback"
        rows = [(g.name, g.kernel, g.cmdline, g.vcpus, g.weight, g.cap or "none") for g in self.guests]
        title = f"{self.pcpus} pCPU, {sched}, {self.duration * MS:g} ms"
        return table(title, ("guest", "kernel", "command line", "vCPUs", "weight", "cap [%]"), rows)
