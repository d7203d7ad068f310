"""What every ring policy promises, on random machines whose guests ask one disk for more than it can do."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from bulkhead.backend.sim import simulate
from bulkhead.base.text import format_ns
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Disk, Guest, GuestDisk, Policy, TimelineEntry
from bulkhead.policy.tables import PolicyTable
from bulkhead.testing.check import rates
from bulkhead.testing.check.promises import Oracle, Verdict, accounts, repeats, stays, tried

MS = 1_000_000
RANDOM_MS = 200
IDLE_SLACK_NS = 20_000  # for each request: the work of taking one, and of an interrupt
CONSERVES = "never leaves the device idle beside a request"


def random_machine(policy: Policy, seed: int) -> Machine:
    """Readers, writers and floods with weights, and a control plane that pauses and destroys them."""
    draw = random.Random(seed)
    guests = tuple(_guest(draw, i) for i in range(draw.randint(1, 5)))
    entries = [_entry(draw, guests) for _ in range(draw.randint(0, 3))]
    return Machine(
        guests=guests,
        ringctl=policy,
        disk=Disk(seek_us=draw.choice((0, 100, 500)), depth=draw.randint(1, 4)),
        duration=RANDOM_MS * MS,
        timeline=tuple(sorted((entry for pair in entries for entry in pair), key=lambda entry: entry.at)),
        seed=seed,
        end_when_idle=False,
    )


def _guest(draw: random.Random, index: int) -> Guest:
    size = 512 * draw.randint(1, 128)
    kernel, options = draw.choice(
        [
            ("disk", f"depth={draw.randint(1, 8)} bytes={size} sequential={draw.randint(0, 1)}"),
            ("disk", f"period_us={draw.randint(500, 5_000)} depth={draw.randint(1, 16)} write=1"),
            ("disk_flood", f"write={draw.randint(0, 1)}"),
        ]
    )
    weight = draw.choice((64, 256, 256, 1024))
    disks = (GuestDisk(2 * MIB),)
    return Guest(f"g{index}", f"workload:{kernel}", options, memory=8 * MIB, weight=weight, disks=disks)


def _entry(draw: random.Random, guests: tuple[Guest, ...]) -> tuple[TimelineEntry, ...]:
    at, name = draw.randint(20, RANDOM_MS - 60) * MS, draw.choice(guests).name
    if draw.random() < 0.3:
        return (TimelineEntry(at, "destroy", name),)
    if draw.random() < 0.5:
        return (TimelineEntry(at, "set_weight", name, draw.choice((32, 512))),)
    return (TimelineEntry(at, "pause", name), TimelineEntry(at + 20 * MS, "unpause", name))


def _order(run: Run) -> str | None:
    """The requests of a ring reach the device in the order in which its guest made them."""
    taken = run.select("ring_request")
    for ring in np.unique(taken["a"] >> np.uint64(32)):
        numbers = (taken["a"][taken["a"] >> np.uint64(32) == ring] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        if len(numbers) > 1 and (np.diff(numbers) <= 0).any():
            return f"ring {int(ring)} was served out of order"
    return None


def _busy(run: Run) -> str | None:
    """Time during which a request waited and the device had none."""
    steps = {"ring_submit": (1, 0), "ring_request": (-1, 1), "ring_complete": (0, -1)}
    gone = run.select("domain_destroy")
    events = [
        (int(row["time"]), queued, served)
        for event, (queued, served) in steps.items()
        for row in run.select(event)
    ]
    waiting = serving = since = lost = requests = 0
    end = int(gone["time"][0]) if len(gone) else int(run.trace["time"][-1])  # then requests go untaken
    for time, queued, served in sorted(events, key=lambda event: (event[0], -event[1] - event[2])):
        if time > end:
            break
        if waiting > 0 and serving == 0:
            lost += time - since
        since, waiting, serving = time, waiting + queued, serving + served
        requests += queued == 1
    if waiting > 0 and serving == 0:
        lost += end - since
    allowed = IDLE_SLACK_NS * (requests + 1)
    return f"idle for {format_ns(lost)} beside a request" if lost > allowed else None


ALWAYS: tuple[tuple[str, Oracle], ...] = (
    ("is never ejected", stays),
    ("explains every nanosecond", accounts),
    ("serves the requests of a ring in their order", _order),
    ("gives the same trace again", repeats),
)


def promises(policy: Policy, table: PolicyTable, machines: int) -> Iterator[Verdict]:
    """Each promise of a ring policy, on so many random machines."""
    idles = table.has("idles")
    runs = [simulate(random_machine(policy, seed)) for seed in range(1, machines + 1)]
    yield from tried([*ALWAYS, *([] if idles else [(CONSERVES, _busy)])], runs)
    if idles:
        yield Verdict(CONSERVES, None, "not promised: the policy declares that it may idle")
    yield from rates.promises(policy, table)
