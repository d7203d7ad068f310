"""Carries out a `Machine` in the simulator and returns the same kind of `Run` as QEMU. Never writes but where it is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bulkhead import _core
from bulkhead.collect import landmark, merge
from bulkhead.machine import RunOptions
from bulkhead.manifest import successors
from bulkhead.policies import PYTHON, ChosenPolicy, Policy, choose, domain_values
from bulkhead.prepare import check_machine
from bulkhead.run import Run
from bulkhead.scheduler import python_policy
from bulkhead.schema import RECORD, enum_value, group_mask, layout
from bulkhead.sim.costs import Costs
from bulkhead.sim.models import guest_model
from bulkhead.spec import Machine, SpecError
from bulkhead.storage import save
from bulkhead.versions import NO_QEMU, versions

EVENTS_AT_A_TIME = 200_000  # between two looks at Ctrl-C
ASK_THE_GUEST = ("shutdown", "reboot", "set_memory")  # timeline actions
NS_WITHOUT_ICOUNT = 1  # an instruction, when the machine's clock is not bound to them


class _Memory:
    """The simulated run's ledger as if it lay in RAM, for the readers of a real run."""

    def __init__(self, ledger: bytes) -> None:
        self._ledger = ledger

    def read(self, address: int, size: int) -> bytes:
        return self._ledger[address : address + size]


def _settings(machine: Machine, costs: dict[str, int]) -> _core.SimSettings:
    return _core.SimSettings(
        pcpus=machine.pcpus,
        seed=machine.seed,
        trace_groups=group_mask(machine.trace_groups),
        trace_records=machine.trace_bytes // RECORD.itemsize,
        instruction_ns=NS_WITHOUT_ICOUNT if machine.icount is None else 1 << machine.icount,
        duration_ns=machine.duration,
        dom0_weight=machine.dom0_weight,
        end_when_idle=machine.end_when_idle,
        costs=costs,
    )


def _timeline(machine: Machine) -> list[tuple[int, int, int, int]]:
    names, swapped = [guest.name for guest in machine.guests], successors(machine)
    for entry in machine.timeline:
        if entry.action in ASK_THE_GUEST:
            raise SpecError(
                f"timeline: {entry.action}: the simulator's guests cannot be asked; run it with --backend qemu"
            )
    return [
        (
            entry.at,
            enum_value("manifest.Action", entry.action, "timeline action"),
            names.index(entry.guest) if entry.guest is not None else 0,
            swapped.index(entry.policy) if entry.policy is not None else entry.argument,
        )
        for entry in sorted(machine.timeline, key=lambda entry: entry.at)
    ]


def _successors(machine: Machine) -> list[ChosenPolicy]:
    """The schedulers that the timeline swaps in; they must be plug-ins."""
    for spec in successors(machine):
        if spec.name.startswith(PYTHON):
            raise SpecError(f"timeline: swap: {spec.name} is written in Python; only a plug-in can take over")
    return [choose("scheduler", spec) for spec in successors(machine)]


def _policy_object(machine: Machine, policy: ChosenPolicy | None) -> object:
    """None for the fallback, a plug-in's path, or a scheduler written in Python."""
    if policy is None or machine.sched is None:
        return None
    if not machine.sched.name.startswith(PYTHON):
        return str(policy.policy.path)
    scheduler, _, values = python_policy(machine.sched)
    return scheduler(values)


def _known(*policies: ChosenPolicy | None) -> dict[str, Policy]:
    return {chosen.policy.name: chosen.policy for chosen in policies if chosen is not None}


def _costs(policy: ChosenPolicy | None, given: Costs | None) -> dict[str, int]:
    """Those given for all policies, or the calibrated ones of this one [instructions]."""
    return (given or Costs.read(policy.policy.name if policy is not None else None)).instructions


def _successor(chosen: ChosenPolicy, given: Costs | None) -> tuple[str, list[int], dict[str, int]]:
    return str(chosen.policy.path), list(chosen.values), _costs(chosen, given)


def _simulation(
    machine: Machine, policy: ChosenPolicy | None, costs: Costs | None, swapped: list[ChosenPolicy]
) -> _core.Simulation:
    known = policy.policy if policy is not None else None
    guests = [guest_model(spec, domain_values(known, spec.sched)) for spec in machine.guests]
    try:
        return _core.Simulation(
            policy=_policy_object(machine, policy),
            name=policy.policy.name if policy is not None else "",
            values=list(policy.values) if policy is not None else [],
            settings=_settings(machine, _costs(policy, costs)),
            guests=guests,
            timeline=_timeline(machine),
            successors=[_successor(chosen, costs) for chosen in swapped],
        )
    except ValueError as error:
        raise SpecError(str(error)) from None


def _carry_out(simulation: _core.Simulation, progress: Callable[[float], None] | None) -> None:
    try:
        while simulation.run(EVENTS_AT_A_TIME):
            if progress is not None:
                progress(simulation.progress)
    except ValueError as error:  # a model refuses its options
        raise SpecError(str(error)) from None


def simulate(machine: Machine, options: RunOptions | None = None, costs: Costs | None = None) -> Run:
    """Run the machine in the simulator; deterministic. Raises `BulkheadError` for bad input.

    `costs` are those of the hypervisor's own work; None: the calibrated ones.
    """
    options = options or RunOptions()
    check_machine(machine)
    if machine.memctl is not None or machine.ringctl is not None:
        raise SpecError("the simulator runs no memory and no ring policies; use --backend qemu")
    policy = choose("scheduler", machine.sched) if machine.sched is not None else None
    swapped = _successors(machine)
    start = time.monotonic()
    simulation = _simulation(machine, policy, costs, swapped)
    _carry_out(simulation, options.progress)
    seconds = time.monotonic() - start
    page_bytes, ledger = simulation.summary()
    page = np.frombuffer(page_bytes, dtype=layout("landmark.Page"))[0]
    trace, digest = merge([simulation.take_ring(pcpu) for pcpu in range(machine.pcpus)])
    run = Run(
        machine=machine,
        exit_status=int(page["exit_status"]),
        trace=trace,
        trace_sha256=digest,
        landmark=landmark(page, _Memory(ledger), _known(policy, *swapped)),
        consoles={},
        versions=versions(NO_QEMU),
        reproducible=True,
        host_seconds=seconds,
    )
    if options.out is not None:
        save(run, options.out)
    return run
