# Types of the compiled module; what the values mean is said in bindings/native/*.cpp.
from typing import Any, TypedDict

import numpy as np

class EventRow(TypedDict):
    number: int
    group: int
    name: str
    a: str
    b: str
    help: str

class ParameterRow(TypedDict):
    name: str
    unit: str
    help: str
    initial: int
    least: int
    most: int

class DescriptorRow(TypedDict):
    kind: int
    name: str
    summary: str
    good_at: str
    bad_at: str
    source: str
    traits: int
    parameters: list[ParameterRow]
    domain_parameters: list[ParameterRow]

constants: dict[str, int]
enums: dict[str, dict[str, int]]
hooks: dict[str, dict[str, int]]
still_runnable: list[int]
events: list[EventRow]
compiler: str

def layouts() -> dict[str, np.dtype[Any]]: ...
def read_plugin(path: str, kind: int = ...) -> DescriptorRow: ...
def check_kernel(path: str, memory_bytes: int, initrd_bytes: int) -> None: ...
def read_section(path: str, name: str) -> bytes: ...
def parameter_key(name: str, unit: str) -> int: ...
def promised_frames(frames: int, vcpus: int) -> int: ...

class SimGuest:
    def __init__(
        self,
        name: str,
        model: str,
        options: dict[str, str],
        weight: int,
        cap: int,
        vcpus: int,
        start_paused: bool,
        sched_values: list[int],
        absent: bool = False,
        frames: int = 1,
        first: int = 0,
        memory_values: list[int] = [],
        ring_values: list[int] = [],
        start_ns: int = 0,
        affinity: list[int] = [],
        preferred: list[int] = [],
        release: int = 0,
        group: int = 0,
        model_file: str = "",
        disk_sectors: list[int] = [],
    ) -> None: ...

class SimSettings:
    def __init__(
        self,
        *,
        pcpus: int,
        seed: int,
        trace_groups: int,
        trace_records: int,
        instruction_ns: int,
        duration_ns: int,
        dom0_weight: int,
        dom0_share: int,
        dom0_affinity: int = ...,
        dom0_sched_values: list[int],
        end_when_idle: bool,
        costs: dict[str, int],
        frames: int = 1,
        mib: int = 0,
        disk: dict[str, int] = {},
        paging: dict[str, int] = {},
    ) -> None: ...

class Refused(ValueError):
    """A machine that cannot be as it was described; never what a policy in Python raised."""

class Simulation:
    progress: float
    decisions: int
    def __init__(
        self,
        policy: object,
        name: str,
        values: list[int],
        settings: SimSettings,
        guests: list[SimGuest],
        timeline: list[tuple[int, int, int, int, tuple[int, list[tuple[int, int]]]]],
        successors: list[tuple[int, str, list[int], dict[str, int]]],
        memory: tuple[object, str, list[int]] | None = None,
        ring: tuple[object, str, list[int]] | None = None,
    ) -> None: ...
    def run(self, events: int) -> bool: ...
    stopped: bool
    stopped_at: int
    def proceed(
        self,
        timeline: list[tuple[int, int, int, int, tuple[int, list[tuple[int, int]]]]],
        successors: list[tuple[int, str, list[int], dict[str, int]]],
    ) -> None: ...
    def answers(self) -> list[tuple[int, int]]: ...
    consoles: list[str]
    def summary(self) -> tuple[bytes, bytes]: ...
    def take_ring(self, pcpu: int) -> np.ndarray[Any, np.dtype[Any]]: ...

sim_costs: list[tuple[str, str]]
sim_models: list[tuple[str, str, list[tuple[str, str, str, str]]]]

class Host:
    """The services of the machine that a policy runs in."""

    pcpus: int  # 0 for memory and ring policies
    def now(self) -> int:
        """Real time, ns."""
    def random(self) -> int:
        """64 bits from the run's seed."""
    def note(self, code: int, value: int) -> None: ...
    def kick(self, pcpu: int) -> None: ...

class SchedDomain:
    """A domain, as a scheduler sees it."""

    id: int
    values: dict[str, int]  # effective parameters of the domain
    vcpus: int  # attached ones
    weight: int  # relative share, 1 to 65535
    cap: int  # % of one pCPU, 0 for none
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class SchedPcpu:
    """A physical CPU."""

    id: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class SchedVcpu:
    """A virtual CPU, from attach to detach."""

    domain: SchedDomain
    id: int  # in its domain, from 0
    last_pcpu: int  # where it runs or ran last
    affinity: int  # bit n: it may run on pCPU n
    preferred: int  # bit n: it had rather run on pCPU n; 0: none is preferred
    def may_run_on(self, pcpu: int) -> bool: ...
    def prefers(self, pcpu: int) -> bool: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class MemoryHost:
    """The memory that there is for domains."""

    frames: int  # of 4 KiB, of all zones
    zones: list[tuple[int, int]]  # (frames, free) of each

class MemoryDomain:
    """A domain, as a memory policy sees it, from admit to depart."""

    id: int
    values: dict[str, int]  # effective parameters of the domain
    weight: int  # relative share, 1 to 65535
    least: int  # frames of 4 KiB
    most: int  # frames
    has: int  # frames
    target: int  # frames; 0 until its first rebalance
    ran: int  # ns that its vCPUs have run in all
    waited: int  # ns that they have waited for a pCPU
    missed: int  # times that it wanted a frame, since the last rebalance
    stalled: int  # ns that its guest says it waited for pages it had paged out, since the last rebalance
    refaults: int  # such pages, since the last rebalance
    is_measured: bool  # whether the guest has ever reported faults
    balloon: str  # settled, moving, stuck or absent
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class RingDomain:
    """A domain, as a ring policy sees it."""

    id: int
    values: dict[str, int]  # effective parameters of the domain
    rings: int  # attached ones
    weight: int  # relative share, 1 to 65535
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Ring:
    """A ring of a domain, from attach to detach."""

    number: int  # of the device's rings, from 0
    domain: RingDomain
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Request:
    """A block request, from enqueue until complete, withdraw, or the detach of its ring."""

    ring: Ring
    number: int  # in the order of arrival
    sector: int  # of 512 bytes
    bytes: int
    operation: str  # read, write, send, receive, discard, flush or barrier
    write: bool
    arrived: int  # ns of real time
    estimate: int  # ns of the device's time
    parts: int  # packets that the network cuts it into; else 1
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
