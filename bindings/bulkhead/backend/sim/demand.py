"""The demand of a recorded guest, as a workload of the simulator: the CPU time and the sleeps of each vCPU, from the trace.

Time that a vCPU waited for a pCPU is not in it, so another scheduler can be asked to serve the same demand. CPU time is all of a
vCPU's turns, with the hypervisor's work for it. The replay knows no events between guests: a sleep ends at the instant at which
it ended then, or keeps its length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bulkhead.backend.sim.costs import Costs
from bulkhead.backend.sim.plan import instruction_ns
from bulkhead.base.errors import BulkheadError
from bulkhead.base.schema import enum_value, event_number
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import MODEL_PREFIX, Guest, Policy

BLOCKED, YIELDED = (enum_value("sched.Stop", name, "reason") for name in ("blocked", "yielded"))
SLICE_END = ("interrupt", "stop", "resume", "load", "leave")  # costs: it is taken off its pCPU, and goes on later
ASKS = ("shutdown", "reboot", "set_memory", "audit")  # of the timeline; a replayed guest cannot be asked


@dataclass(frozen=True)
class Episode:
    """CPU time, the sleep that follows, and when that ended since the run's start [ns]; or a yield instead of a sleep."""

    work: int
    sleep: int
    wake: int
    yields: bool = False

    def step(self, think: bool) -> str:
        """As the option `steps` of the model `replay` has it."""
        if self.yields:
            return f"{self.work}:y"
        return f"{self.work}:{self.sleep}" + ("" if think or not self.sleep else f":{self.wake}")


@dataclass(frozen=True)
class Demand:
    """One guest's episodes, vCPU by vCPU."""

    name: str
    vcpus: tuple[tuple[Episode, ...], ...]

    @property
    def work_ns(self) -> int:
        """All CPU time."""
        return sum(episode.work for vcpu in self.vcpus for episode in vcpu)

    @property
    def sleeps(self) -> int:
        """How often its vCPUs slept."""
        return sum(episode.sleep > 0 for vcpu in self.vcpus for episode in vcpu)

    def steps(self, think: bool = False) -> str:
        """As the option `steps` of the model `replay`; with `think`, sleeps keep their lengths and not their ends."""
        return ";".join("/".join(episode.step(think) for episode in vcpu) for vcpu in self.vcpus)


@dataclass
class _Open:
    """An episode: CPU time so far, in how many turns, and once it is over its sleep and when that ended [ns]."""

    ran: int = 0
    turns: int = 0
    sleep: int = 0
    wake: int = 0
    yields: bool = False


def _of_vcpu(records: Any, start: int, end: int) -> list[_Open]:
    """Episodes from a vCPU's own records in order of time."""
    wake, run_in, run_out = (event_number(name) for name in ("wake", "run_in", "run_out"))
    found: list[_Open] = []
    now, blocked_at, running_since = _Open(), None, None
    for record in records:
        event, time = int(record["event"]), int(record["time"])
        if event == run_in:
            running_since = time
        elif event == run_out:
            now.ran, now.turns, running_since = now.ran + int(record["b"]), now.turns + 1, None
            if int(record["a"]) == BLOCKED:
                blocked_at = time
            elif int(record["a"]) == YIELDED:
                now.yields = True
                found.append(now)
                now = _Open()
        elif event == wake and blocked_at is not None:
            now.sleep, now.wake = time - blocked_at, max(0, time - start)
            found.append(now)
            now, blocked_at = _Open(), None
    if running_since is not None:
        now.ran, now.turns = now.ran + end - running_since, now.turns + 1
    return [*found, now] if now.turns else found


def demand(run: Run, guest: str) -> Demand:
    """The demand of one guest. BulkheadError if it never ran.

    The end of a slice takes time that is not the guest's wish: it is taken off, as the simulator knows it.
    """
    spec = next((spec for spec in run.machine.guests if spec.name == guest), None)
    if spec is None or guest not in run.landmark.ledger:
        raise BulkheadError(f"no guest '{guest}' ran there; choose from {', '.join(run.landmark.ledger)}")
    own = run.trace[run.trace["domain"] == run.domain_id(guest)]
    end = int(run.trace["time"][-1])
    start = run.landmark.started
    vcpus = [_of_vcpu(own[own["vcpu"] == number], start, end) for number in range(spec.vcpus)]
    if not any(vcpus):
        raise BulkheadError(f"guest '{guest}' never ran")
    policy = run.machine.sched.name if run.machine.sched is not None else None
    costs = Costs.read(policy).instructions
    extra = sum(costs[name] for name in SLICE_END) * instruction_ns(run.machine)
    return Demand(
        guest,
        tuple(
            tuple(Episode(max(1, e.ran - (e.turns - 1) * extra), e.sleep, e.wake, e.yields) for e in vcpu)
            for vcpu in vcpus
        ),
    )


def _replayed_guest(spec: Guest, file: Path, same: bool) -> Guest:
    return replace(
        spec,
        kernel=f"{MODEL_PREFIX}replay",
        cmdline=f"file={file} repeat=0 from_start=1",
        initrd=None,
        time_mode="real",
        phase=0,  # of the recorded demand, not of the model
        sched=spec.sched if same else {},
    )


def replay_machine(
    run: Run, demands: Iterable[Demand], folder: Path, sched: Policy | None = None, think: bool = False
) -> Machine:
    """The recorded machine with its guests' demands in their places, under its own scheduler or `sched`, for the simulator.

    Writes one file of steps for each guest into `folder`. Guests without a demand are left out. What domains were given of the
    recorded scheduler's own parameters means nothing to another one, which gets its defaults.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for each in demands:
        files[each.name] = folder / f"{each.name}.steps"
        files[each.name].write_text(each.steps(think) + "\n", encoding="utf-8")
    machine = run.machine
    same = sched is None or (machine.sched is not None and sched.name == machine.sched.name)
    return replace(
        machine,
        guests=tuple(
            _replayed_guest(spec, files[spec.name], same) for spec in machine.guests if spec.name in files
        ),
        timeline=tuple(
            entry
            for entry in machine.timeline
            if entry.action not in ASKS and (entry.guest is None or entry.guest in files)
        ),
        sched=sched or machine.sched,
        dom0_sched=machine.dom0_sched if same else {},
        memctl=None,
        ringctl=None,
        terminal=None,
        end_when_idle=False,
    )
