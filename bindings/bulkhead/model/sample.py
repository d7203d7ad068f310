"""A machine at one instant of its run, and its changes between two instants. Plain values; reads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.landmark import DomainLedger, PcpuLedger, RingUse

SECOND = 1e9
PAGE = 4096


@dataclass(frozen=True)
class Sample:
    """A machine at one instant. Times are nanoseconds of the machine's own clock; counts are since the start.

    With `exact`, all accounts are of the same instant and add up to the nanosecond. Without, each number is right by itself,
    but the machine went on while they were read. The domains' waiting and blocked times, memory and bytes are as old as
    their `refreshed` (10 ms at most, as a rule).
    """

    at: int  # ns since all guests were built; below 0 before that
    duration: int  # ns: the run ends at this `at`, if not earlier
    state: str  # booting, running, finished, panicked
    scheduler: str  # the one in charge
    domains: dict[str, DomainLedger]  # by name; a guest that was started again is there once for each life
    pcpus: tuple[PcpuLedger, ...]
    ram_frames: int  # pages of 4 KiB
    free_frames: int
    exact: bool
    host_seconds: float  # since the machine was started on this computer

    @property
    def left(self) -> int:
        """Nanoseconds of the machine's clock until its time is over."""
        return max(0, self.duration - max(0, self.at))


@dataclass(frozen=True)
class RingRates:
    """Requests of a domain's rings between two samples, those that their device was done with."""

    requests: float  # 1/s
    bytes: float  # bytes/s
    queued: float  # that waited for the device, on average
    throttled: float  # of these, while the device had room


@dataclass(frozen=True)
class DomainRates:
    """Activity of a domain between two samples; rates are per second of the machine's clock."""

    name: str
    state: str  # alive or gone
    weight: int
    cpu: float  # part of the time of all pCPUs in its own code, 0 to 1
    hypervisor: float  # part that the hypervisor worked for it, 0 to 1
    waiting: float  # vCPUs that could have run and did not, on average
    events: float  # sent, 1/s
    wakes: float  # 1/s
    hypercalls: float  # 1/s
    traps: float  # 1/s
    run_ins: float  # switches to one of its vCPUs, 1/s
    console: float  # bytes/s
    copied: float  # bytes/s moved by its grant copies
    memory: int  # bytes now
    withheld: float  # part of its time now, as it keeps memory that is wanted by force
    disks: RingRates
    networks: RingRates  # of packets sent and received


@dataclass(frozen=True)
class Rates:
    """Activity of a machine between two samples: its domains, those with the most CPU time first."""

    seconds: float  # of the machine's clock
    idle: float  # part of the time of all pCPUs, 0 to 1
    unbilled: float  # likewise
    domains: tuple[DomainRates, ...]


def _wall(sample: Sample | None) -> int:
    return sum(pcpu.wall_ns for pcpu in sample.pcpus) if sample is not None else 0


def _ring(before: RingUse, after: RingUse, seconds: float) -> RingRates:
    return RingRates(
        requests=(after.requests - before.requests) / seconds,
        bytes=(after.bytes - before.bytes) / seconds,
        queued=(after.waiting_ns - before.waiting_ns) / (seconds * SECOND),
        throttled=(after.throttled_ns - before.throttled_ns) / (seconds * SECOND),
    )


def _domain(before: DomainLedger | None, after: DomainLedger, wall: int, seconds: float) -> DomainRates:
    def grown(field: str) -> int:
        return int(getattr(after, field)) - (int(getattr(before, field)) if before is not None else 0)

    settled = grown("refreshed") if before is not None else round(seconds * SECOND)

    def rate(field: str) -> float:
        return grown(field) / seconds

    def settled_rate(field: str) -> float:
        return grown(field) / settled if settled > 0 else 0.0

    return DomainRates(
        name=after.name,
        state=after.state,
        weight=after.weight,
        cpu=grown("guest_ns") / wall,
        hypervisor=grown("hypervisor_ns") / wall,
        waiting=settled_rate("waiting_ns"),
        events=rate("events_sent"),
        wakes=rate("wakes"),
        hypercalls=rate("hypercalls"),
        traps=rate("traps"),
        run_ins=rate("run_ins"),
        console=settled_rate("console_bytes") * SECOND,
        copied=settled_rate("copied_bytes") * SECOND,
        memory=after.frames_owned * PAGE,
        withheld=after.withheld / 1000,
        disks=_ring(before.disks if before else RingUse(), after.disks, seconds),
        networks=_ring(before.networks if before else RingUse(), after.networks, seconds),
    )


def rates(before: Sample | None, after: Sample) -> Rates:
    """The changes from one sample to the next; from the start if `before` is None.

    Without any time in between all rates are 0. A domain that was gone before the first sample is left out.
    """
    wall = _wall(after) - _wall(before)
    if wall <= 0:
        return Rates(0.0, 0.0, 0.0, ())
    seconds = wall / max(1, len(after.pcpus)) / SECOND
    known = before.domains if before is not None else {}
    rows = [
        _domain(known.get(name), row, wall, seconds)
        for name, row in after.domains.items()
        if name not in known or known[name].state != "gone"
    ]

    def grown(field: str) -> int:
        was = sum(int(getattr(pcpu, field)) for pcpu in before.pcpus) if before is not None else 0
        return sum(int(getattr(pcpu, field)) for pcpu in after.pcpus) - was

    return Rates(
        seconds=seconds,
        idle=grown("idle_ns") / wall,
        unbilled=grown("unbilled_ns") / wall,
        domains=tuple(sorted(rows, key=lambda row: (-row.cpu, row.name))),
    )
