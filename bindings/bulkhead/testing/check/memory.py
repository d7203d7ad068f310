"""What every memory policy promises, on random machines whose guests want more memory than there is."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from bulkhead.backend.check import overhead
from bulkhead.backend.sim import simulate
from bulkhead.base.schema import constant
from bulkhead.base.text import format_ns
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest, Paging, Policy, TimelineEntry
from bulkhead.testing.check.promises import Oracle, Verdict, accounts, repeats, stays, tried

MS = 1_000_000
RANDOM_MS = 300
FIRST = 4 * MIB  # what a guest has from its creation on
ROOM = 60 * MIB  # for the hypervisor and domain 0
LEAST_PART = 16  # a guest can live with this part of its memory, says the contract


def random_machine(policy: Policy, seed: int) -> Machine:
    """Guests that use, hoard and thrash memory, with weights, and a control plane that changes them."""
    draw = random.Random(seed)
    guests = tuple(_guest(draw, i) for i in range(draw.randint(1, 5)))
    entries = [_entry(draw, guests) for _ in range(draw.randint(0, 4))]
    together = sum(guest.most_memory for guest in guests)
    share = draw.choice((0.5, 0.7, 1.1))  # of what they want
    return Machine(
        guests=guests,
        memctl=policy,
        memory=(ROOM + int(together * share) + len(guests) * FIRST) // MIB * MIB,
        dom0_memory=32 * MIB,
        paging=Paging(zones=draw.randint(1, 4), period_us=draw.choice((5_000, 20_000)), swap_us=300),
        duration=RANDOM_MS * MS,
        timeline=tuple(sorted(entries, key=lambda entry: entry.at)),
        seed=seed,
        end_when_idle=False,
    )


def _guest(draw: random.Random, index: int) -> Guest:
    kernel, options = draw.choice(
        [
            ("memory", f"work_us={draw.randint(5, 90)} grow_ms={draw.choice((0, 100))}"),
            ("memory_hoard", ""),
            ("memory_thrash", f"batch={draw.randint(1, 200)}"),
        ]
    )
    weight = draw.choice((64, 256, 256, 1024))
    most = draw.randint(6, 24) * MIB
    return Guest(f"g{index}", f"workload:{kernel}", options, memory=FIRST, max_memory=most, weight=weight)


def _entry(draw: random.Random, guests: tuple[Guest, ...]) -> TimelineEntry:
    at, name = draw.randint(20, RANDOM_MS - 20) * MS, draw.choice(guests).name
    if draw.random() < 0.7:
        return TimelineEntry(at, "set_weight", name, draw.choice((32, 512)))
    return TimelineEntry(at, "destroy", name)


def _frames(run: Run) -> int:
    return (run.machine.memory - overhead(run.machine)) // constant("page_bytes")


def _fits(run: Run) -> str | None:
    """Targets of the domains that live, at the end of each instant at which one changes."""
    frames, targets = _frames(run), dict[int, int]()
    gone = {int(row["domain"]): int(row["time"]) for row in run.select("domain_destroy")}
    changes = run.select("memory_target")
    for instant in np.unique(changes["time"]):
        for row in changes[changes["time"] == instant]:
            targets[int(row["domain"])] = int(row["a"])
        together = sum(
            target for domain, target in targets.items() if gone.get(domain, instant + 1) > instant
        )
        if together > frames:
            return f"targets of {together} frames of {frames} at {format_ns(int(instant))}"
    return None


def _least(run: Run) -> str | None:
    """No domain has a target below what it needs to live."""
    most = {
        run.domain_id(guest.name): guest.most_memory // constant("page_bytes") for guest in run.machine.guests
    }
    for row in run.select("memory_target"):
        domain, target = int(row["domain"]), int(row["a"])
        if domain in most and target < most[domain] // LEAST_PART:
            return f"domain {domain} has a target of {target} of its {most[domain]} frames"
    return None


ALWAYS: tuple[tuple[str, Oracle], ...] = (
    ("is never ejected", stays),
    ("explains every nanosecond", accounts),
    ("promises no more frames than there are", _fits),
    ("leaves every guest enough to live", _least),
    ("gives the same trace again", repeats),
)


def promises(policy: Policy, machines: int) -> Iterator[Verdict]:
    """Each promise of a memory policy, on so many random machines."""
    yield from tried(ALWAYS, [simulate(random_machine(policy, seed)) for seed in range(1, machines + 1)])
