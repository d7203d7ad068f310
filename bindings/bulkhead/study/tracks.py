"""A run as tracks, for viewers of traces: what each pCPU ran, what each vCPU did, wakes that lead to runs, counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bulkhead.base.schema import EVENTS, enum_name
from bulkhead.metrics import idle_intervals, run_intervals
from bulkhead.metrics.trace import Records
from bulkhead.metrics.waits import waits
from bulkhead.study.names import CAUSES, Names

WAITING, RUNNING = "waiting", "running"
SHOWN_INSTANTS = ("policy_load", "policy_eject", "policy_note", "timeline")  # of the whole machine
OF_DOMAINS = (
    "domain_create",
    "domain_unpause",
    "domain_pause",
    "domain_shutdown",
    "domain_destroy",
    "domain_gone",
)


@dataclass(frozen=True)
class Slice:
    """Something that lasts on a track, ns of real time. `flow` is the number of the wake that led to it, 0 for none."""

    track: str
    name: str
    start: int
    end: int
    flow: int = 0


@dataclass(frozen=True)
class Instant:
    """Something at one moment of a track. `flow` is its number, if it leads to a slice."""

    track: str
    name: str
    time: int
    flow: int = 0


@dataclass(frozen=True)
class Count:
    """The value of a counter from a moment on."""

    track: str
    time: int
    value: int


@dataclass(frozen=True)
class Tracks:
    """Everything that is drawn, each kind by time. A group (pCPUs, or a domain) has its tracks in order."""

    groups: dict[str, list[str]]
    slices: list[Slice]
    instants: list[Instant]
    counts: list[Count]


PCPUS, COUNTERS = "pCPUs", "counters"
RUNNABLE = "vCPUs that wait"


def tracks(names: Names) -> Tracks:
    """All tracks of a run. vCPUs of one domain are a group."""
    running = run_intervals(names.trace)
    flows = dict(_flows(names))
    groups: dict[str, list[str]] = {PCPUS: [f"pCPU {i}" for i in range(names.run.machine.pcpus)]}
    keys = sorted(set(zip(running.domain.tolist(), running.vcpu.tolist())))
    for domain, vcpu in keys:
        groups.setdefault(names.domain(domain), []).append(names.vcpu(domain, vcpu))
    slices = list(_slices(names, flows))
    instants = [*_wakes(names, flows), *_instants(names)]
    return Tracks(
        groups,
        sorted(slices, key=lambda one: (one.start, one.track)),
        sorted(instants, key=lambda one: (one.time, one.track)),
        list(_counts(names)),
    )


def _slices(names: Names, flows: dict[tuple[int, int, int], int]) -> Iterator[Slice]:
    running = run_intervals(names.trace)
    columns = (running.start, running.end, running.domain, running.vcpu, running.pcpu)
    for start, end, domain, vcpu, pcpu in zip(*(column.tolist() for column in columns)):
        vcpu_name = names.vcpu(domain, vcpu)
        yield Slice(f"pCPU {pcpu}", vcpu_name, start, end)
        yield Slice(vcpu_name, RUNNING, start, end, flows.get((domain, vcpu, start), 0))
    idle = idle_intervals(names.trace)
    for start, end, pcpu in zip(idle.start.tolist(), idle.end.tolist(), idle.pcpu.tolist()):
        yield Slice(f"pCPU {pcpu}", "idle", start, end)
    for wait in waits(names.trace):
        yield Slice(names.vcpu(wait.domain, wait.vcpu), WAITING, wait.window.start, wait.window.end)


def _flows(names: Names) -> Iterator[tuple[tuple[int, int, int], int]]:
    """The number of each wake that led to a run, by vCPU and the start of that run, and by vCPU and -1 - its own time."""
    number, last = 0, dict[tuple[int, int], int]()
    wake = names.trace.number("wake")
    for record in names.trace.of("wake", "run_in"):
        key, time = (int(record["domain"]), int(record["vcpu"])), int(record["time"])
        if int(record["event"]) == wake:
            last.setdefault(key, time)
        elif key in last:
            number += 1
            yield (*key, time), number
            yield (*key, -1 - last.pop(key)), number


def _wakes(names: Names, flows: dict[tuple[int, int, int], int]) -> Iterator[Instant]:
    for record in names.trace.of("wake"):
        domain, vcpu, time = int(record["domain"]), int(record["vcpu"]), int(record["time"])
        cause = CAUSES[min(int(record["a"]), len(CAUSES) - 1)]
        yield Instant(
            names.vcpu(domain, vcpu), f"wake: {cause}", time, flows.get((domain, vcpu, -1 - time), 0)
        )


def _instants(names: Names) -> Iterator[Instant]:
    for record in names.trace.of("mark"):
        name = enum_name("guest.Mark", int(record["a"]))
        yield Instant(names.vcpu(int(record["domain"]), int(record["vcpu"])), name, int(record["time"]))
    numbers = {row["number"]: name for name, row in EVENTS.items()}
    for record in names.trace.of(*SHOWN_INSTANTS, *OF_DOMAINS):
        yield Instant(f"pCPU {int(record['pcpu'])}", _event(names, record, numbers), int(record["time"]))


def _event(names: Names, record: Records, numbers: dict[int, str]) -> str:
    name = numbers[int(record["event"])]
    return f"{name} {names.domain(int(record['domain']))}" if name in OF_DOMAINS else name


def _counts(names: Names) -> Iterator[Count]:
    """How many vCPUs wait for a pCPU."""
    found = waits(names.trace)
    times = np.array([t for wait in found for t in (wait.window.start, wait.window.end)], dtype=np.int64)
    steps = np.array([1, -1] * len(found), dtype=np.int64)
    moments, where = np.unique(times, return_inverse=True)
    changes = (
        np.bincount(where, weights=steps, minlength=len(moments)).astype(np.int64) if len(moments) else steps
    )
    for moment, value in zip(moments.tolist(), np.cumsum(changes).tolist()):
        yield Count(RUNNABLE, moment, value)
