"""What a run is made of: guests, policies, timeline, machine. Pure values; nothing here starts anything.

Times are integer nanoseconds, memory is bytes. A value that can never work is refused with `SpecError`; what depends on
files or on the policies' own tables is checked when the run is prepared (`bulkhead.prepare`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkhead.live.steer import Live
    from bulkhead.live.watch import Watch
    from bulkhead.options import RunOptions
    from bulkhead.run import Run

MIB = 1 << 20
SECOND = 1_000_000_000
WORKLOAD_PREFIX = "workload:"
MODEL_PREFIX = "model:"  # a kernel that only the simulator has


class BulkheadError(Exception):
    """Something the user can put right; `str(error)` is one clear line that says what to do."""

    exit_status = 2


class SpecError(BulkheadError):
    """A guest, policy or machine that can never work as written."""


class MachineError(BulkheadError):
    """The machine died without leaving anything that can be read."""

    exit_status = 4


@dataclass(frozen=True)
class PolicySpec:
    """A policy by name (or by the path of its shared object) and the parameters that differ from their defaults."""

    name: str
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GuestSpec:
    """One guest. `kernel` is a path, or `workload:NAME` for a workload of the built guest image."""

    name: str
    kernel: str
    cmdline: str = ""
    initrd: str | None = None
    memory: int = 64 * MIB  # when it starts
    max_memory: int | None = (
        None  # as far as its balloon may grow beyond that, if the machine has it; None: no further
    )
    vcpus: int = 1
    weight: int = 256
    cap: int = 0  # per cent of one pCPU, 0 for none
    time_mode: str = "real"  # real, virtual, or dilated:K with K >= 1
    on_crash: str = "destroy"  # destroy, preserve, restart
    sched: dict[str, int] = field(
        default_factory=dict
    )  # the scheduler's domain parameters that differ from their defaults
    start_paused: bool = False  # built at the start, runs once the timeline says `unpause`
    memctl: dict[str, int] = field(default_factory=dict)  # the same for the memory policy
    ringctl: dict[str, int] = field(default_factory=dict)  # and for the ring policy


@dataclass(frozen=True)
class TimelineEntry:
    """`action` is one of unpause, pause, destroy, set_weight, create, audit, end_run, shutdown, reboot, set_memory, swap,
    set_affinity, stop.

    `at` counts from the end of building. shutdown, reboot and set_memory ask the guest, which may not listen; set_memory's
    argument is bytes. A guest whose first entry of create and destroy is a `create` is not built at the start. swap lets
    `policy` take over from the one of its kind; set_affinity's argument is the mask of pCPUs (bit n: pCPU n) for the
    guest's vCPUs.
    stop lets the machine stand still to take what follows from outside: a `Live` machine's timeline has them, so that the
    same run can be repeated. Its argument is 1 if guests are still to be created.
    """

    at: int
    action: str
    guest: str | None = None
    argument: int = 0
    policy: PolicySpec | None = None
    kind: str = "scheduler"  # of `policy`: scheduler, memory or ring


@dataclass(frozen=True)
class Disk:
    """The simulator's model of a block device: a fixed time for each request, a seek unless it goes on where the last one
    ended, and the transfer. Round numbers; no real disk was measured for them."""

    request_us: int = 40  # of each request
    seek_us: int = 360
    bytes_per_us: int = 400  # of the transfer
    depth: int = 1  # requests that it takes at a time, 1 to 256; it serves them one after another
    submit_work: int = 1500  # instructions of the hypervisor for a request that comes in, billed to its guest
    complete_work: int = 1000  # and for one that is done


@dataclass(frozen=True)
class Paging:
    """The simulator's model of memory. Frames for guests are what the machine has beyond Bulkhead's own. Round numbers."""

    zones: int = 1  # equal parts that memory policies can tell apart, 1 to 64
    period_us: int = 100_000  # between two rebalances, 1000 to 1000000
    swap_us: int = 4_000  # a guest waits so long for a page that it had paged out
    fault_work: int = (
        1_000  # instructions of the hypervisor for each frame that a guest gets or gives back, billed to it
    )
    look_work: int = 300  # and for each guest in a period, billed to nobody


@dataclass(frozen=True)
class Machine:
    """Everything that decides a run: same machine, same build, same QEMU, same trace."""

    guests: tuple[GuestSpec, ...]
    sched: PolicySpec | None = None  # None: the hypervisor's built-in fallback
    memctl: PolicySpec | None = None
    ringctl: PolicySpec | None = None
    pcpus: int = 1
    memory: int = 512 * MIB
    duration: int = 2 * SECOND  # real time of the machine, from the end of building
    timeline: tuple[TimelineEntry, ...] = ()
    absent: tuple[
        str, ...
    ] | None = None  # guests not built at the start; None: those whose first entry is a create
    accel: str = "tcg"  # tcg, kvm, auto
    icount: int | None = 2  # 2**icount ns per instruction; None: off, and then not reproducible
    seed: int = 1
    trace_groups: tuple[str, ...] = ("run", "sched", "mark", "lifecycle", "event", "policy")
    trace_bytes: int = 16 * MIB  # per pCPU
    dom0_memory: int = 32 * MIB
    dom0_weight: int = 256
    dom0_sched: dict[str, int] = field(default_factory=dict)  # as `sched` of a guest
    console_rate: int = 65536  # bytes per second and guest, 0 for no limit
    terminal: str | None = None  # guest whose console takes what is typed; such a run cannot be repeated
    end_when_idle: bool = True  # end as soon as every guest has shut down
    disk: Disk = Disk()  # simulator only
    paging: Paging = Paging()  # simulator only

    def run(self, options: RunOptions | None = None, backend: str = "qemu") -> Run:
        """Carry it out and return the `Run`: backend "qemu" boots the hypervisor, "sim" simulates it.

        Blocks; Ctrl-C ends it; safe to call from several threads. Raises `BulkheadError` for bad input.
        """
        from bulkhead.backends import find_backend

        return find_backend(backend)(self, options)

    def watch(self, every: float = 0.5, options: RunOptions | None = None, backend: str = "qemu") -> Watch:
        """Run it and look: iterate over the `Watch` for a `Sample` about `every` seconds of this computer.

        The machine cannot tell that it is watched: same trace as `run`. Raises `BulkheadError` for bad input.
        """
        from bulkhead.backends import find_session
        from bulkhead.live.watch import Watch
        from bulkhead.options import RunOptions

        start = find_session(backend)
        return Watch(lambda: start(self, options or RunOptions()), every)

    def start(self, options: RunOptions | None = None, backend: str = "qemu") -> Live:
        """Start it and keep it in hand: the `Live` machine stands still at its beginning, with its guests built.

        Raises `BulkheadError` for bad input.
        """
        from bulkhead.backends import find_steered
        from bulkhead.live.steer import Live
        from bulkhead.options import RunOptions

        begin = find_steered(backend)
        return Live(self, lambda machine: begin(machine, options or RunOptions()))

    def _repr_html_(self) -> str:
        from bulkhead.html import machine_html

        return machine_html(self)
