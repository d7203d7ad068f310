"""Sample k of a machine: the same machine with the start of each guest and the phase of each periodic activity shifted.

The offsets depend on the sample and the guest's name alone. So the same sample under two policies has the same offsets,
which makes comparisons of policies pairs. Sample 0 is the machine as declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from bulkhead.backend.sim.models import own_models
from bulkhead.base.text import parse_integer
from bulkhead.experiment.declare import Experiment
from bulkhead.experiment.point import Point
from bulkhead.model.machine import Machine
from bulkhead.model.spec import MODEL_PREFIX, WORKLOAD_PREFIX, Guest, TimelineEntry
from bulkhead.model.timeline import absent_at_start
from bulkhead.model.workloads import PHASE, Option, find_workload

START_SPREAD_NS = 10_000_000  # a tick of the schedulers that have one
PERIOD = "period_us"
NS_PER_US = 1_000
LONGEST_PERIOD_US = 1 << 40


@dataclass(frozen=True)
class Offset:
    """What a sample adds to a guest's start and to the phase of its periodic activity [ns]."""

    start_ns: int
    phase_ns: int


def _draw(sample: int, guest: str, what: str, below: int) -> int:
    """A number from 0 to `below` - 1 that depends on nothing but the arguments."""
    digest = sha256(f"{sample} {what} {guest}".encode()).digest()
    return int.from_bytes(digest[:16], "big") % below


def _options(guest: Guest) -> Mapping[str, Option]:
    """The options of a guest's workload or model by name; none for a kernel."""
    rows: tuple[Option, ...] = ()
    if guest.kernel.startswith(WORKLOAD_PREFIX):
        rows = find_workload(guest.kernel.removeprefix(WORKLOAD_PREFIX)).options
    elif guest.kernel.startswith(MODEL_PREFIX):
        rows = own_models().get(guest.kernel.removeprefix(MODEL_PREFIX), ("", ()))[1]
    return {row.name: row for row in rows}


def _period_ns(guest: Guest) -> int:
    """The period of a guest's periodic activity; 0 if it has none."""
    options = _options(guest)
    if PHASE not in options:
        return 0
    given = dict(word.partition("=")[::2] for word in guest.cmdline.split())
    text = given.get(PERIOD, options[PERIOD].initial)
    return parse_integer(text, f"guest {guest.name}: {PERIOD}", 0, LONGEST_PERIOD_US) * NS_PER_US


def offsets(machine: Machine, sample: int) -> dict[str, Offset]:
    """The offsets of a sample by guest; all zero for sample 0. Guests that start at one instant have one for their start."""
    found = {}
    for guest in machine.guests:
        period = _period_ns(guest)
        found[guest.name] = Offset(
            _draw(sample, guest.release or guest.name, "start", START_SPREAD_NS) if sample else 0,
            _draw(sample, guest.name, "phase", period) if sample and period else 0,
        )
    return found


def shifted(machine: Machine, sample: int) -> Machine:
    """The machine of a sample. A guest that the timeline starts has all its timeline entries shifted instead of its start."""
    if sample == 0:
        return machine
    drawn, absent = offsets(machine, sample), absent_at_start(machine)
    by_timeline = {guest.name for guest in machine.guests if guest.start_paused or guest.name in absent}

    def guest_of(guest: Guest) -> Guest:
        offset, period = drawn[guest.name], _period_ns(guest)
        start = guest.start + (0 if guest.name in by_timeline else offset.start_ns)
        phase = (guest.phase + offset.phase_ns) % period if period else guest.phase
        return replace(guest, start=start, phase=phase)

    def entry_of(entry: TimelineEntry) -> TimelineEntry:
        if entry.guest not in by_timeline:
            return entry
        return replace(entry, at=entry.at + drawn[entry.guest].start_ns)

    return replace(
        machine,
        guests=tuple(guest_of(guest) for guest in machine.guests),
        timeline=tuple(entry_of(entry) for entry in machine.timeline),
        absent=tuple(sorted(absent)) if machine.absent is not None else None,
    )


def machine_of(experiment: Experiment, point: Point, sample: int) -> Machine:
    """The machine of a sample of a point."""
    return shifted(experiment.machine_of(point), sample)
