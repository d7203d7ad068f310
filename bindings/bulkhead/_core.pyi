# Types of the compiled module; what the values mean is said in bindings/*.cpp.
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

layouts: dict[str, np.dtype[Any]]
constants: dict[str, int]
enums: dict[str, dict[str, int]]
events: list[EventRow]
compiler: str

def read_plugin(path: str) -> DescriptorRow: ...
def check_kernel(path: str, memory_bytes: int, initrd_bytes: int) -> None: ...
def read_section(path: str, name: str) -> bytes: ...

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
        memory_values: list[int] = [],
        ring_values: list[int] = [],
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
        dom0_sched_values: list[int],
        end_when_idle: bool,
        costs: dict[str, int],
        frames: int = 1,
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
        timeline: list[tuple[int, int, int, int]],
        successors: list[tuple[int, str, list[int], dict[str, int]]],
        memory: tuple[object, str, list[int]] | None = None,
        ring: tuple[object, str, list[int]] | None = None,
    ) -> None: ...
    def run(self, events: int) -> bool: ...
    stopped: bool
    stopped_at: int
    def proceed(
        self,
        timeline: list[tuple[int, int, int, int]],
        successors: list[tuple[int, str, list[int], dict[str, int]]],
    ) -> None: ...
    def answers(self) -> list[tuple[int, int]]: ...
    consoles: list[str]
    def blocks(self) -> list[tuple[int, int, int]]:
        """(domain, requests answered, their bytes) of every domain with a block ring, since the start."""
    def summary(self) -> tuple[bytes, bytes]: ...
    def take_ring(self, pcpu: int) -> np.ndarray[Any, np.dtype[Any]]: ...

sim_costs: list[tuple[str, str]]
sim_models: list[tuple[str, str, list[tuple[str, str, str, str]]]]

class Host:
    pcpus: int
    def now(self) -> int: ...
    def random(self) -> int: ...
    def note(self, code: int, value: int) -> None: ...
    def kick(self, pcpu: int) -> None: ...

class SchedDomain:
    id: int
    vcpus: int
    weight: int
    cap: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class SchedPcpu:
    id: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class SchedVcpu:
    domain: SchedDomain
    id: int
    last_pcpu: int
    affinity: int
    def may_run_on(self, pcpu: int) -> bool: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class MemoryHost:
    frames: int
    zones: list[tuple[int, int]]

class MemoryDomain:
    id: int
    weight: int
    least: int
    most: int
    has: int
    target: int
    missed: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class RingDomain:
    id: int
    rings: int
    weight: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Ring:
    number: int
    domain: RingDomain
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Request:
    ring: Ring
    number: int
    sector: int
    bytes: int
    write: bool
    arrived: int
    estimate: int
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
