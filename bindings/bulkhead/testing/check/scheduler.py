"""What every scheduler promises, on random machines in the simulator. The machines come from their seeds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bulkhead.backend.sim import simulate
from bulkhead.base.text import format_ns
from bulkhead.base.units import MIB
from bulkhead.metrics import (
    Window,
    idle_intervals,
    idle_while_runnable,
    run_intervals,
    runnable_intervals,
    shares,
    trace_of,
)
from bulkhead.metrics.takeover import twice_at_once
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest, Policy, TimelineEntry
from bulkhead.policy.tables import PolicyTable
from bulkhead.testing.check.promises import Oracle, Verdict, accounts, repeats, stays, tried

MS = 1_000_000
RANDOM_MS, SHARE_MS = 400, 4_000
SHARE_SLACK, CAP_SLACK = 0.03, 0.02  # of a pCPU
# A pCPU may be idle beside a vCPU for the time of a decision and of an interrupt to another pCPU; ns for each wait.
IDLE_SLACK = 0.001  # of the run
# The simulator may hand a vCPU to another pCPU a switch before the first one's record of its end.
TWICE_SLACK_NS = 20_000
SMALL = 4 * MIB


def random_machine(policy: Policy, seed: int) -> Machine:
    """Hogs, sleepers and periodic guests with weights, affinities and a control plane that changes them."""
    draw = random.Random(seed)
    pcpus = draw.randint(1, 4)
    guests = tuple(_guest(draw, i, pcpus) for i in range(draw.randint(1, 6)))
    entries = [_entry(draw, guests) for _ in range(draw.randint(0, 5))]
    return Machine(
        guests=guests,
        sched=policy,
        pcpus=pcpus,
        duration=RANDOM_MS * MS,
        timeline=tuple(entry for pair in entries for entry in pair),
        seed=seed,
        end_when_idle=False,
    )


def _guest(draw: random.Random, index: int, pcpus: int) -> Guest:
    kernel, options = draw.choice(
        [
            ("cpu_hog", ""),
            ("compute", ""),
            ("yield_storm", ""),
            ("timer_storm", ""),
            ("periodic", f"period_us={draw.randint(1000, 9000)} work_us={draw.randint(10, 800)}"),
        ]
    )
    affinity = (
        tuple(sorted(draw.sample(range(pcpus), draw.randint(1, pcpus)))) if draw.random() < 0.3 else None
    )
    weight = draw.choice((64, 256, 256, 1024))
    return Guest(f"g{index}", f"workload:{kernel}", options, memory=SMALL, weight=weight, affinity=affinity)


def _entry(draw: random.Random, guests: tuple[Guest, ...]) -> tuple[TimelineEntry, ...]:
    at, name = draw.randint(20, RANDOM_MS - 60) * MS, draw.choice(guests).name
    if draw.random() < 0.5:
        return (TimelineEntry(at, "set_weight", name, draw.choice((32, 512))),)
    return (TimelineEntry(at, "pause", name), TimelineEntry(at + 20 * MS, "unpause", name))


def _affinities(run: Run) -> str | None:
    running = run_intervals(trace_of(run))
    for guest in run.machine.guests:
        own = running.of_domain(run.domain_id(guest.name))
        if guest.affinity is not None and not np.isin(own.pcpu, guest.affinity).all():
            return f"{guest.name} ran outside of its pCPUs"
    return None


def _one_place(run: Run) -> str | None:
    twice = twice_at_once(run_intervals(trace_of(run)))
    return f"a vCPU was on two pCPUs for {format_ns(twice)}" if twice > TWICE_SLACK_NS else None


def _works(run: Run) -> str | None:
    """No pCPU idles beside a runnable vCPU: only without affinities, under which that may be right."""
    if any(guest.affinity is not None for guest in run.machine.guests):
        return None
    trace = trace_of(run)
    lost = idle_while_runnable(
        idle_intervals(trace), run_intervals(trace), runnable_intervals(trace), trace.whole
    )
    allowed = IDLE_SLACK * trace.whole.length * run.machine.pcpus
    return f"idle for {format_ns(int(lost))} beside a runnable vCPU" if lost > allowed else None


ALWAYS: tuple[tuple[str, Oracle], ...] = (
    ("is never ejected", stays),
    ("explains every nanosecond", accounts),
    ("keeps vCPUs on the pCPUs that they may use", _affinities),
    ("runs a vCPU on one pCPU at a time", _one_place),
    ("gives the same trace again", repeats),
)
CONSERVES = "never idles beside a runnable vCPU"


def promises(policy: Policy, table: PolicyTable, machines: int) -> Iterator[Verdict]:
    """Each promise of a scheduler, on so many random machines."""
    runs = [simulate(random_machine(policy, seed)) for seed in range(1, machines + 1)]
    idles = table.has("idles")
    yield from tried([*ALWAYS, *([] if idles else [(CONSERVES, _works)])], runs)
    if idles:
        yield Verdict(CONSERVES, None, "not promised: the policy declares that it may idle")
    yield _shares(policy, table)
    yield _caps(policy, table)


def _hogs(policy: Policy, *guests: Guest) -> dict[str, float]:
    """Shares of one pCPU over the second half of a run."""
    run = simulate(Machine(guests=guests, sched=policy, duration=SHARE_MS * MS, end_when_idle=False))
    trace = trace_of(run)
    window = Window(trace.whole.end - SHARE_MS * MS // 2, trace.whole.end)
    numbers = {run.domain_id(guest.name): guest.name for guest in guests}
    found = shares(run_intervals(trace), window, list(numbers), 1)
    return {name: found[number] for number, name in numbers.items()}


def _shares(policy: Policy, table: PolicyTable) -> Verdict:
    promise = f"gives shares by weight, within {SHARE_SLACK:.0%}"
    if table.has("ignores_weights"):
        return Verdict(promise, None, "not promised: the policy declares that it ignores weights")
    weights = (256, 512, 768)
    guests = [Guest(f"w{weight}", "workload:cpu_hog", memory=SMALL, weight=weight) for weight in weights]
    found = _hogs(policy, *guests)
    off = max(abs(found[f"w{weight}"] - weight / sum(weights)) for weight in weights)
    return Verdict(promise, off <= SHARE_SLACK, f"three hogs, 1:2:3: off by at most {off:.2%}")


def _caps(policy: Policy, table: PolicyTable) -> Verdict:
    promise = f"holds caps, within {CAP_SLACK:.0%}"
    if table.has("ignores_caps"):
        return Verdict(promise, None, "not promised: the policy declares that it ignores caps")
    capped = Guest("capped", "workload:cpu_hog", memory=SMALL, cap=30)
    alone = _hogs(policy, capped)["capped"]
    beside = _hogs(policy, capped, replace(capped, name="free", cap=0))["capped"]
    off = max(abs(alone - 0.3), abs(beside - 0.3))
    return Verdict(
        promise, off <= CAP_SLACK, f"a cap of 30 %, alone and beside a hog: off by at most {off:.2%}"
    )
