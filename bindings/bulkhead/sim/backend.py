"""Carries out a `Machine` in the simulator and returns the same kind of `Run` as QEMU. Never writes but where it is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType

import numpy as np

from bulkhead import _core
from bulkhead.collect import Row, landmark, merge
from bulkhead.live.desk import Answer
from bulkhead.live.sample import Blocks, Sample
from bulkhead.live.snapshot import Account, sample_of
from bulkhead.live.watch import carry_out
from bulkhead.options import RunOptions
from bulkhead.policies import PYTHON, ChosenPolicy, Policy, choose, domain_values, kind_number
from bulkhead.prepare import check_machine, overhead
from bulkhead.run import Run
from bulkhead.schema import RECORD, constant, enum_value, group_mask, layout
from bulkhead.sim.costs import Costs
from bulkhead.sim.models import guest_model
from bulkhead.spec import GuestSpec, Machine, PolicySpec, SpecError, TimelineEntry
from bulkhead.storage import save
from bulkhead.timeline import absent_at_start, batches
from bulkhead.versions import NO_QEMU, versions
from bulkhead.written import python_policy

EVENTS_AT_A_TIME = 200_000  # between two looks at Ctrl-C
ASK_THE_GUEST = ("shutdown", "reboot", "set_memory")  # timeline actions
LARGEST = 256 << 30  # bytes; the simulator has a number for each frame
NS_WITHOUT_ICOUNT = 1  # an instruction, when the machine's clock is not bound to them


class _Memory:
    """The simulated run's ledger as if it lay in RAM, for the readers of a real run."""

    def __init__(self, ledger: bytes) -> None:
        self._ledger = ledger

    def read(self, address: int, size: int) -> bytes:
        return self._ledger[address : address + size]


def _settings(machine: Machine, policies: _Policies, given: Costs | None) -> _core.SimSettings:
    scheduler = policies.scheduler
    known = scheduler.policy if scheduler is not None else None
    return _core.SimSettings(
        pcpus=machine.pcpus,
        seed=machine.seed,
        trace_groups=group_mask(machine.trace_groups),
        trace_records=machine.trace_bytes // RECORD.itemsize,
        instruction_ns=NS_WITHOUT_ICOUNT if machine.icount is None else 1 << machine.icount,
        duration_ns=machine.duration,
        dom0_weight=machine.dom0_weight,
        dom0_sched_values=list(domain_values(known, machine.dom0_sched)),
        end_when_idle=machine.end_when_idle,
        costs=_costs(scheduler, given),
        frames=_guest_frames(machine),
        disk=asdict(machine.disk),
        paging=asdict(machine.paging),
    )


def _guest_frames(machine: Machine) -> int:
    """What the machine has beyond Bulkhead's own. SpecError if that is nothing and somebody asks for it."""
    frames = (machine.memory - overhead(machine)) // constant("page_bytes")
    if frames < machine.paging.zones and machine.memctl is not None:
        raise SpecError(
            f"{machine.memory >> 20} MiB leave nothing for guests; Bulkhead takes {overhead(machine) >> 20} MiB"
        )
    return max(frames, machine.paging.zones)


def _check_sizes(machine: Machine) -> None:
    sizes = [
        ("the machine", machine.memory),
        *((f"guest {guest.name}", guest.memory) for guest in machine.guests),
    ]
    for who, size in sizes:
        if size > LARGEST:
            raise SpecError(
                f"{who}: {size >> 20} MiB of memory are too much for the simulator; give at most {LARGEST >> 30}G"
            )


def _check_asks(machine: Machine) -> None:
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


def _rows(machine: Machine, entries: Sequence[TimelineEntry]) -> list[tuple[int, int, int, int]]:
    """The entries for the simulator; a swap's argument counts the swaps among them."""
    names = [guest.name for guest in machine.guests]
    rows, swaps = [], 0
    for entry in entries:
        argument = swaps if entry.policy is not None else entry.argument
        swaps += entry.policy is not None
        action = enum_value("manifest.Action", entry.action, "timeline action")
        rows.append((entry.at, action, names.index(entry.guest) if entry.guest is not None else 0, argument))
    return rows


def _successors(entries: Sequence[TimelineEntry]) -> list[ChosenPolicy]:
    """The policies that the entries swap in, one for each swap."""
    return [choose(entry.kind, entry.policy) for entry in entries if entry.policy is not None]


def _object(kind: str, spec: PolicySpec, policy: ChosenPolicy) -> object:
    """A plug-in's path, or an object of a policy written in Python."""
    if not spec.name.startswith(PYTHON):
        return str(policy.policy.path)
    written, _, values = python_policy(kind, spec)
    return written(values)


def _costs(policy: ChosenPolicy | None, given: Costs | None) -> dict[str, int]:
    """Those given for all policies, or the calibrated ones of this one [instructions]."""
    return (given or Costs.read(policy.policy.name if policy is not None else None)).instructions


def _successor(chosen: ChosenPolicy, given: Costs | None) -> tuple[int, str, list[int], dict[str, int]]:
    policy = chosen.policy
    costs = _costs(chosen, given) if policy.kind == "scheduler" else {}
    return kind_number(policy.kind), str(policy.path), list(chosen.values), costs


@dataclass(frozen=True)
class _Policies:
    """The policies of a machine, by kind; None for the built-in fallback."""

    scheduler: ChosenPolicy | None
    memory: ChosenPolicy | None
    ring: ChosenPolicy | None

    @staticmethod
    def of(machine: Machine) -> _Policies:
        specs = {"scheduler": machine.sched, "memory": machine.memctl, "ring": machine.ringctl}
        return _Policies(
            **{kind: choose(kind, spec) if spec is not None else None for kind, spec in specs.items()}
        )

    def guest(self, spec: GuestSpec, absent: bool) -> _core.SimGuest:
        """The guest's model with its own parameters of each policy."""

        def values(kind: str, chosen: ChosenPolicy | None, own: dict[str, int]) -> tuple[int, ...]:
            return domain_values(chosen.policy if chosen is not None else None, own, kind)

        return guest_model(
            spec,
            values("scheduler", self.scheduler, spec.sched),
            values("memory", self.memory, spec.memctl),
            values("ring", self.ring, spec.ringctl),
            absent,
        )

    def known(self, swapped: list[ChosenPolicy]) -> dict[str, Policy]:
        """By kind and name, with those that were swapped in."""
        chosen = (self.scheduler, self.memory, self.ring, *swapped)
        return {f"{p.policy.kind}:{p.policy.name}": p.policy for p in chosen if p is not None}


def _row(
    kind: str, spec: PolicySpec | None, policy: ChosenPolicy | None
) -> tuple[object, str, list[int]] | None:
    if spec is None or policy is None:
        return None
    return _object(kind, spec, policy), policy.policy.name, list(policy.values)


def _simulation(
    machine: Machine, policies: _Policies, costs: Costs | None, first: Sequence[TimelineEntry]
) -> _core.Simulation:
    absent = absent_at_start(machine)
    guests = [policies.guest(spec, spec.name in absent) for spec in machine.guests]
    scheduler = _row("scheduler", machine.sched, policies.scheduler)
    policy, name, values = scheduler or (None, "", [])
    try:
        return _core.Simulation(
            policy=policy,
            name=name,
            values=values,
            settings=_settings(machine, policies, costs),
            guests=guests,
            timeline=_rows(machine, first),
            successors=[_successor(chosen, costs) for chosen in _successors(first)],
            memory=_row("memory", machine.memctl, policies.memory),
            ring=_row("ring", machine.ringctl, policies.ring),
        )
    except _core.Refused as error:
        raise SpecError(str(error)) from None


class Simulated:
    """A machine under way in the simulator; a context manager.

    At the stops of its timeline it gets what the timeline says next, unless it is `held`: then it stands still there until
    it is told to proceed. Raises `BulkheadError` for bad input.
    """

    def __init__(
        self, machine: Machine, options: RunOptions, held: bool = False, costs: Costs | None = None
    ) -> None:
        check_machine(machine)
        _check_asks(machine)
        _check_sizes(machine)
        self.machine, self.options = machine, options
        self._held, self._costs, self._more = held, costs, True
        self._policies = _Policies.of(machine)
        self._swapped: list[ChosenPolicy] = _successors(machine.timeline)
        first, *self._later = batches(machine.timeline)
        self._start = time.monotonic()
        self._simulation = _simulation(machine, self._policies, costs, first)

    def follow(self) -> bool:
        """Let it go on for a moment. False once it is over."""
        if not self._more:
            return False
        if self.stopped and not self._held:
            self.proceed(self._later.pop(0))
        try:
            self._more = self._simulation.run(EVENTS_AT_A_TIME)
        except _core.Refused as error:  # a model refuses its options
            raise SpecError(str(error)) from None
        return self._more

    @property
    def stopped(self) -> bool:
        """Whether it stands still for orders."""
        return self._simulation.stopped

    @property
    def stopped_at(self) -> int:
        """When it stood still last, ns since all guests were built."""
        return self._simulation.stopped_at

    def proceed(self, batch: Sequence[TimelineEntry]) -> None:
        """Let it go on from a stop, with these entries."""
        for entry in batch:
            check_simulated(entry)
        chosen = _successors(batch)
        self._swapped += chosen
        self._simulation.proceed(_rows(self.machine, batch), [_successor(one, self._costs) for one in chosen])

    def answers(self) -> list[Answer]:
        """At a stop: what came of the orders since the stop before."""
        return [Answer(done_at, result) for done_at, result in self._simulation.answers()]

    @property
    def progress(self) -> float:
        """Part of the run that is over, 0 to 1."""
        return self._simulation.progress

    def _summary(self) -> tuple[Row, bytes]:
        page, ledger = self._simulation.summary()
        return np.frombuffer(page, dtype=layout("landmark.Page"))[0], ledger

    def sample(self) -> Sample | None:
        """What it looks like now; the machine goes on as if nobody had looked."""
        page, ledger = self._summary()
        rows = np.frombuffer(ledger, dtype=layout("landmark.LedgerEntry"))
        blocks = {domain: Blocks(*counts) for domain, *counts in self._simulation.blocks()}
        seconds = time.monotonic() - self._start
        return sample_of(Account(page, rows, True), self.machine.duration, seconds, blocks)

    def collect(self) -> Run:
        """What is left of a machine that is over."""
        seconds = time.monotonic() - self._start
        page, ledger = self._summary()
        machine = self.machine
        trace, digest = merge([self._simulation.take_ring(pcpu) for pcpu in range(machine.pcpus)])
        run = Run(
            machine=machine,
            exit_status=int(page["exit_status"]),
            trace=trace,
            trace_sha256=digest,
            landmark=landmark(page, _Memory(ledger), self._policies.known(self._swapped)),
            consoles=self._consoles(),
            versions=versions(NO_QEMU),
            reproducible=True,
            host_seconds=seconds,
        )
        if self.options.out is not None:
            save(run, self.options.out)
        return run

    def _consoles(self) -> dict[str, str]:
        """What guests printed; those that printed nothing are not in it, as with a real console."""
        texts = zip((guest.name for guest in self.machine.guests), self._simulation.consoles)
        return {name: text for name, text in texts if text}

    def __enter__(self) -> Simulated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left of it but memory."""


def simulate(machine: Machine, options: RunOptions | None = None, costs: Costs | None = None) -> Run:
    """Run the machine in the simulator; deterministic. Raises `BulkheadError` for bad input.

    `costs` are those of the hypervisor's own work; None: the calibrated ones.
    """
    options = options or RunOptions()
    with Simulated(machine, options, costs=costs) as simulated:
        return carry_out(simulated, options)
