"""The parts of a machine: guests, policies, timeline entries, models of devices. Pure values; nothing here starts anything.

Times are integer nanoseconds, memory is bytes. What depends on files or on the policies' own tables is checked when the run
is prepared (`bulkhead.backend.check`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from bulkhead.base.text import parse_integer, split_pairs
from bulkhead.base.units import MIB
from bulkhead.model.given import set_durations, set_sizes, set_tuples

PYTHON_PREFIX = "python"
INT64 = (-(1 << 63), (1 << 63) - 1)
WORKLOAD_PREFIX = "workload:"
MODEL_PREFIX = "model:"  # a kernel that only the simulator has
ABIS = WIDE, NARROW = ("pv64", "pv32")  # of a workload's guest: 64-bit PV, or 32-bit PV with PAE


@dataclass(frozen=True)
class Policy:
    """A policy by name (or by the path of its shared object) and the parameters that differ from their defaults."""

    name: str
    parameters: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(text: str) -> Policy:
        """NAME, or NAME:p=v,p=v with whole numbers in the parameters' units. SpecError for anything else."""
        name, colon, rest = text.partition(":")
        if name == PYTHON_PREFIX or not colon:  # python:NAME is a policy written in Python
            return Policy(text)
        pairs = split_pairs(rest, f"policy {name}", f"{name}:NAME=5000")
        return Policy(
            name, {key: parse_integer(value, f"policy {name}: {key}", *INT64) for key, value in pairs.items()}
        )


USER = "user"  # uplink of an interface
MODEL_DEVICE, VIRTIO = DEVICES = ("model", "virtio")


@dataclass(frozen=True)
class GuestDisk:
    """A disk of a guest, with either a size (then it is blank) or an image, a file with its contents.

    A modelled disk is a part of the machine's drive. The run does not write to its image unless `save` names it, and what
    the guest writes lasts as long as the run, also when the guest is restarted. With `device` "virtio" the image itself is the
    disk: what the guest has flushed is in the file, whatever becomes of the run, which cannot be repeated exactly.
    """

    size: int | None = None  # bytes, a multiple of 512
    image: str | None = None
    name: str = "xvda"  # xvda to xvdp, as Linux calls it
    read_only: bool = False
    device: str = MODEL_DEVICE  # model, or virtio with an image
    # A file that has a modelled disk's contents after the run, and none of them before; it may be the image itself.
    save: str | None = None

    @property
    def is_real(self) -> bool:
        """Whether its requests go to a file of this computer."""
        return self.device == VIRTIO


@dataclass(frozen=True)
class GuestNet:
    """A network interface of a guest: a port of the machine's switch. Ports of one network reach each other."""

    switch: str = "lan"  # the network's name
    mac: str | None = (
        None  # six pairs of hexadecimal digits; None: made of the numbers of guest and interface
    )
    name: str = "eth0"  # eth0 to eth7, as Linux calls it
    # A new file for tcpdump and Wireshark, with the packets of its port. The run is the same with it and without.
    pcap: str | None = None
    # user: the network has a port to this computer's network, by QEMU's user networking. No such run can be repeated exactly.
    uplink: str | None = None


def pcpu_mask(pcpus: tuple[int, ...] | None) -> int:
    """Bit n stands for pCPU n; 0 for None."""
    return sum(1 << pcpu for pcpu in set(pcpus or ()))


@dataclass(frozen=True)
class Placement:
    """Where one vCPU may run and had rather run, in place of what its guest says for all."""

    vcpu: int
    affinity: tuple[int, ...] | None = None  # pCPUs that it may use; None: the guest's
    preferred: tuple[int, ...] | None = None  # pCPUs that it had rather use; None: the guest's

    def __post_init__(self) -> None:
        set_tuples(self, "affinity", "preferred")


@dataclass(frozen=True)
class Guest:
    """One guest. `kernel` is a path, or `workload:NAME` for a workload of the built guest image.

    Sizes may also be text ("64M"), durations too ("10ms"), and lists may stand for tuples.
    """

    name: str
    kernel: str
    cmdline: str = ""
    initrd: str | None = None
    memory: int = 64 * MIB  # when it starts
    # As far as its balloon may grow beyond that, if the machine has it; None: no further.
    max_memory: int | None = None
    vcpus: int = 1
    weight: int = 256
    cap: int = 0  # per cent of one pCPU, 0 for none
    time_mode: str = "real"  # real, virtual, or dilated:K with K >= 1
    on_crash: str = "destroy"  # destroy, preserve, restart
    # The scheduler's domain parameters that differ from their defaults.
    sched: dict[str, int] = field(default_factory=dict)
    start_paused: bool = False  # built at the start, runs once the timeline says `unpause`
    start: int = 0  # ns from the end of building until domain 0 lets it run first
    # Shift [ns] of its periodic activity; for workloads with an option `phase_ns`.
    phase: int = 0
    affinity: tuple[int, ...] | None = None  # pCPUs that its vCPUs may use; None: all
    # Those that they had rather use. The others are used when these are busy, unless the scheduler honours preferences.
    preferred: tuple[int, ...] | None = None
    placements: tuple[Placement, ...] = ()  # of single vCPUs
    # All guests of a set of this name run first at one instant, their common `start`.
    release: str | None = None
    memctl: dict[str, int] = field(default_factory=dict)  # as `sched`, for the memory policy
    ringctl: dict[str, int] = field(default_factory=dict)  # as `sched`, for the ring policy
    # Ring policies take all guests of a group of this name for one domain: they share one weight and one set of parameters.
    group: str | None = None
    # All are parts of the machine's one drive (`Machine.disk`). In the simulator every guest has the whole drive.
    disks: tuple[GuestDisk, ...] = ()
    # All are ports of the machine's one switch (`Machine.network`). The simulator has none.
    nets: tuple[GuestNet, ...] = ()
    # pv64, or pv32: the workload built for 32 bits. Any other kernel's file says itself what it is.
    abi: str = WIDE

    def __post_init__(self) -> None:
        set_sizes(self, "memory", "max_memory")
        set_durations(self, "start", "phase")
        set_tuples(self, "affinity", "preferred", "placements")

    def masks(self, vcpu: int) -> tuple[int, int]:
        """The pCPUs that a vCPU may use and those that it had rather use, as masks; 0 for all and for none."""
        own = next((one for one in self.placements if one.vcpu == vcpu), Placement(vcpu))
        affinity = self.affinity if own.affinity is None else own.affinity
        preferred = self.preferred if own.preferred is None else own.preferred
        return pcpu_mask(affinity), pcpu_mask(preferred)

    @property
    def allowed(self) -> int:
        """The pCPUs that some vCPU of it may use, as a mask; 0 for all."""
        masks = [self.masks(vcpu)[0] for vcpu in range(self.vcpus)]
        return reduce(or_, masks, 0) if all(masks) else 0

    @property
    def most_memory(self) -> int:
        """As many bytes as the guest may ever have."""
        return self.memory if self.max_memory is None else self.max_memory


@dataclass(frozen=True)
class TimelineEntry:
    """`action` is one of unpause, pause, destroy, set_weight, create, audit, end_run, shutdown, reboot, set_memory, swap,
    set_affinity, set_parameters, stop.

    `at` counts from the end of building. The actions shutdown, reboot and set_memory ask the guest, which may not listen;
    set_memory's argument is bytes. A guest whose first entry of create and destroy is a `create` is not built at the
    start. A swap lets `policy` take over from the one of its kind; set_affinity's argument is the mask of pCPUs (bit
    n: pCPU n) for the guest's vCPUs. set_parameters gives the guest new `parameters`, all at once, of those that the
    policy of that kind has for each domain. A stop lets the machine stand still to take the next entries from outside. A
    `Live` machine's timeline has stops, so that the same run can be repeated. The argument of a stop is 1 if guests
    are still to be created.
    """

    at: int
    action: str
    guest: str | None = None
    argument: int = 0
    policy: Policy | None = None
    kind: str = "scheduler"  # of `policy` or of the one that has the `parameters`: scheduler, memory or ring
    parameters: dict[str, int] | None = None  # of set_parameters: those that change, in their units

    def __post_init__(self) -> None:
        set_durations(self, "at")
        if isinstance(self.policy, str):
            object.__setattr__(self, "policy", Policy.of(self.policy))


@dataclass(frozen=True)
class Network:
    """The model of a machine's switch: a fixed time for each packet that it takes from a guest or hands to one, the
    transfer, and a link to each port. Round numbers; no real switch was measured for them."""

    packet_us: int = 5  # of each
    bytes_per_us: int = 125  # of the switch
    link_bytes_per_us: int = 125  # of the link to each port
    delay_us: int = 50  # of that link
    buffer: int = 64  # packets that a port holds for its guest, those on the link included; 1 to 64


@dataclass(frozen=True)
class Disk:
    """The model of a machine's drive: a fixed time for each request, a seek unless it goes on where the last one
    ended, and the transfer; of `rotating` and `flash` disks some more. Round numbers; no real disk was measured for them.
    """

    request_us: int = 40  # of each request
    seek_us: int = 360
    bytes_per_us: int = 400  # of the transfer
    depth: int = 1  # requests that it takes at a time, 1 to 256; a channel serves them one after another
    flush_us: int = 0  # more, of a flush or a barrier: what a cache on the drive takes
    stroke_us: int = (
        0  # more, of a seek over the whole disk; over a part of it as the square root of that part
    )
    channels: int = 1  # that serve at the same time, 1 to 64; each has every so many-th piece of 64 KiB
    program_us: int = 0  # more, of a write
    erase_us: int = 0  # a channel erases, and serves nothing, for so long
    erase_kib: int = 0  # whenever so much more was written to it; 0: never
    # 0: work for a request after its guest has asked for it is billed to nobody, as where a driver domain does it
    billed: int = 1

    @classmethod
    def rotating(cls, **changes: int) -> Disk:
        """A disk with an arm: seeks by distance, half a turn at 7,200 rpm for each that is not sequential."""
        values = {"request_us": 100, "seek_us": 4_700, "stroke_us": 8_000, "bytes_per_us": 150, "depth": 4}
        return cls(**{**values, "flush_us": 4_200, **changes})

    @classmethod
    def flash(cls, **changes: int) -> Disk:
        """Flash behind eight channels. It never erases, unless `erase_us` and `erase_kib` say so."""
        values = {"request_us": 80, "seek_us": 0, "bytes_per_us": 800, "depth": 32, "channels": 8}
        return cls(**{**values, "program_us": 320, "flush_us": 500, **changes})


@dataclass(frozen=True)
class Paging:
    """Memory under a memory policy. Frames for guests are what the machine has beyond Bulkhead's own. Round numbers."""

    zones: int = 1  # equal parts of memory that memory policies can tell apart, 1 to 64
    # 1: on the hypervisor a frame's zone is its number modulo `zones`, the colour that it has in a cache; 0: zones are
    # contiguous, so that extents of 2 MiB stay whole. Frames of the simulator have no place.
    colours: int = 0
    period_us: int = 100_000  # between two rebalances, 1000 to 1000000; the hypervisor looks every 10 ms
    swap_us: int = 4_000  # a guest in a model of paging waits so long for a page that it had paged out
    sampled: int = 100  # pages of each guest whose use is looked at in a period, 0 to 512
    # What follows where a policy wants frames by force. 0: nothing; 1: the guest gets less time as long as it keeps them;
    # 2: they are taken (the hypervisor cannot, and does as with 1)
    by_force: int = 1
    # The rest is for the simulator.
    look_work: int = 300  # instructions for each guest in a period, billed to no domain
