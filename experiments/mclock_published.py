"""The measured figures and tables of the mClock paper: 4 to 6 over time, and tables 3 and 4.

- figure 4: a copying guest (vm3) with 32 requests outstanding fills a drive that takes 32. At half time another one with a limit
  of 300 requests per second takes its place (vm4). The limit gives the others, who ask for little at a time, twice the rate.
- figure 5: three guests start one after another, weights 1:1:2; vm2 is limited to 400, vm3 to 500 requests per second.
- figure 6: five guests start one after another, weights 1:1:2:2:2; vm1 has 300 reserved, vm2 250.
- table 3: four guests with requests of 4, 8, 16 and 8 KiB, weights 2:2:1:1; vm2 is limited to 700, vm4 has 250 reserved.
- table 4: four guests, weights 1:1:2:2, with 1 or 512 requests per second reserved for each.

The drives are set to the rates that the paper's array had in each case. They have no seek, so that their capacity does not fall
with the number of guests, as the array's did by a fifth. Requests are random reads; the paper's table 3 has writes among them.

Source: A. Gulati, A. Merchant, P. J. Varman, "mClock: handling throughput variability for hypervisor IO scheduling", OSDI 2010.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from bulkhead import MIB, Disk, Guest, GuestDisk, Machine, Policy, TimelineEntry
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Course, Quantity
from bulkhead.metrics import Window, pair_marks
from bulkhead.metrics.allocation import Tenant, allocation
from bulkhead.metrics.trace import int64

WEIGHT = 256  # of a tenant of weight 1
POLICIES = ("sfq", "mclock")
RESERVES = ("mclock",)  # policies that know reservations and limits
BYTES_PER_US = 400
STEPS = 5  # of a run: guests start at the beginning of a step
PARTS = 5  # of a step, in the course
MS = 1_000_000


class Client(NamedTuple):
    """A guest: what it is promised, what it asks for, and from which step of the run."""

    tenant: Tenant
    bytes: int = 4096
    depth: int = 32
    step: int = 0


class Case(NamedTuple):
    """A figure or table of the paper: its guests, and what its array did."""

    clients: Mapping[str, Client]
    capacity: int  # requests per second, of the size that the first guest asks for
    in_drive: int = 2
    iops: Mapping[str, int] = MappingProxyType({})  # as printed, under mClock
    replaced: tuple[str, str] | None = None  # at half time the first guest gives way to the second


def named(*clients: Client) -> dict[str, Client]:
    """The guests vm1, vm2 and so on."""
    return {f"vm{i + 1}": client for i, client in enumerate(clients)}


CASES = {
    "figure 4": Case(
        named(
            Client(Tenant(2), depth=4),
            Client(Tenant(2), depth=8),
            Client(Tenant(1)),
            Client(Tenant(1, limit=300)),
        ),
        capacity=1000,
        in_drive=32,
        replaced=("vm3", "vm4"),
    ),
    "figure 5": Case(
        named(Client(Tenant(1)), Client(Tenant(1, limit=400), step=1), Client(Tenant(2, limit=500), step=2)),
        capacity=1600,
        iops={"vm2": 400, "vm3": 500},
    ),
    "figure 6": Case(
        named(
            *(
                Client(Tenant(weight, reservation), 16384, step=step)
                for step, (weight, reservation) in enumerate(((1, 300), (1, 250), (2, 0), (2, 0), (2, 0)))
            )
        ),
        capacity=1280,
        iops={"vm1": 300, "vm2": 250},
    ),
    "table 3": Case(
        named(
            Client(Tenant(2), 4096),
            Client(Tenant(2, limit=700), 8192),
            Client(Tenant(1), 16384),
            Client(Tenant(1, reservation=250), 8192),
        ),
        capacity=1140,
        iops={"vm4": 250},
    ),
    **{
        f"table 4 r={reserved}": Case(
            named(*(Client(Tenant(weight, reserved)) for weight in (1, 1, 2, 2))),
            capacity=2045,
            iops=dict(zip(("vm1", "vm2", "vm3", "vm4"), printed)),
        )
        for reserved, printed in ((1, (330, 390, 660, 665)), (512, (490, 496, 514, 530)))
    },
}
FIGURES = tuple(name for name in CASES if name.startswith("figure"))


def case_of(point: Point) -> Case:
    """The case of a point."""
    return CASES[point.text("case")]


def drive(case: Case) -> Disk:
    """A drive that serves so many requests of the first guest per second, to the nearest microsecond of one."""
    transfer = round(next(iter(case.clients.values())).bytes / BYTES_PER_US)
    return Disk(
        request_us=round(1e6 / case.capacity) - transfer,
        seek_us=0,
        bytes_per_us=BYTES_PER_US,
        depth=case.in_drive,
    )


def reserves(point: Point) -> bool:
    """Points whose policy knows reservations and limits."""
    return point.policy("ringctl").name in RESERVES


def step_ns(point: Point) -> int:
    """Length of a step."""
    return point.duration_ns // STEPS


def machine(point: Point) -> Machine:
    """The guests of a case, each from its step on."""
    case = case_of(point)

    def guest(name: str, client: Client) -> Guest:
        tenant = client.tenant
        return small_guest(
            name,
            "disk",
            f"depth={client.depth} bytes={client.bytes}",
            weight=tenant.weight * WEIGHT,
            disks=(GuestDisk(16 * MIB),),
            start=client.step * step_ns(point),
            ringctl=({"reservation": tenant.reservation, "limit": tenant.limit} if reserves(point) else {}),
        )

    timeline: tuple[TimelineEntry, ...] = ()
    if case.replaced is not None:
        half = point.duration_ns // 2
        timeline = tuple(
            TimelineEntry(half, action, name) for action, name in zip(("destroy", "create"), case.replaced)
        )
    return Machine(
        guests=tuple(guest(name, client) for name, client in case.clients.items()),
        sched=Policy("credit2"),
        ringctl=point.policy("ringctl"),
        disk=drive(case),
        timeline=timeline,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def beginning(run: Observed) -> int:
    """The instant from which steps count [ns]."""
    return run.window.end - run.point.duration_ns


def before(run: Observed) -> Window:
    """As long as the measured window, up to half time."""
    half = beginning(run) + run.point.duration_ns // 2
    return Window(half - run.window.length, half)


def rates(run: Observed, window: Window) -> dict[str, float]:
    """Requests of each guest that the drive completed, per second of a window."""
    done = run.trace.of("ring_complete")
    done = done[window.holds(int64(done["time"]))]
    return {
        name: float((done["domain"] == run.domains[name]).sum()) * 1e9 / window.length for name in run.guests
    }


def latencies(run: Observed, window: Window) -> dict[str, float | None]:
    """Mean time from a guest's request to its answer [ns], of those that it made in the first part of a window."""
    first = Window(window.start, window.start + window.length * 6 // 10)
    found: dict[str, float | None] = {}
    for name in run.guests:
        delays = pair_marks(run.marks(name, "request_sent"), run.marks(name, "reply_received"), first)
        found[name] = float(delays.samples.mean()) if len(delays.samples) and not delays.unfinished else None
    return found


def rule(run: Observed) -> dict[str, float]:
    """Requests per second by the published rule once all guests are there; weights alone under a policy without reservations."""
    case = case_of(run.point)
    model = drive(case)
    time_us = model.request_us + round(next(iter(case.clients.values())).bytes / BYTES_PER_US)
    tenants = {
        name: client.tenant if reserves(run.point) else Tenant(client.tenant.weight)
        for name, client in case.clients.items()
    }
    return {name: float(rate) for name, rate in allocation(Fraction(1_000_000, time_us), tenants).items()}


def apart(run: Observed) -> float:
    """Largest distance of a guest's rate from the rule [%]."""
    got, due = rates(run, run.window), rule(run)
    return max(100 * abs(got[name] / due[name] - 1) for name in due)


def course(run: Observed) -> dict[str, dict[str, float]]:
    """Rate of each guest over time [ms], in parts of a step."""
    width = step_ns(run.point) // PARTS
    found: dict[str, dict[str, float]] = {name: {} for name in run.guests}
    for part in range(STEPS * PARTS):
        start = beginning(run) + part * width
        for name, rate in rates(run, Window(start, start + width)).items():
            found[name][str((2 * part + 1) * width // (2 * MS))] = rate
    return found


def changes(run: Observed) -> dict[str, float]:
    """When a guest came after the beginning [ms]."""
    case, step = case_of(run.point), step_ns(run.point) / MS
    found = {name: client.step * step for name, client in case.clients.items() if client.step}
    if case.replaced is not None:
        found[case.replaced[1]] = run.point.duration_ns / 2 / MS
    return found


def published(run: Observed) -> dict[str, int]:
    """The rates that the paper prints."""
    return dict(case_of(run.point).iops)


def is_replaced(point: Point) -> bool:
    """Points in which a guest takes the place of another one."""
    return case_of(point).replaced is not None


def is_rule(point: Point) -> bool:
    """Points whose guests all ask without an end, so that the rule holds, and whose requests all take the drive as long."""
    case = case_of(point)
    return case.replaced is None and len({client.bytes for client in case.clients.values()}) == 1


METRICS = (
    Metric("iops", "1/s", "requests of each guest per second", lambda run: rates(run, run.window)),
    Metric("latency", "ns", "mean response time of each guest", lambda run: latencies(run, run.window)),
    Metric("published", "1/s", "what the paper reports under mClock", published),
    Metric("rule", "1/s", "requests per second that the published rule gives each guest", rule, is_rule),
    Metric("apart", "%", "largest distance of a guest's rate from the rule", apart, is_rule),
    Metric(
        "iops_before", "1/s", "the same before half time", lambda run: rates(run, before(run)), is_replaced
    ),
    Metric(
        "latency_before",
        "ns",
        "the same before half time",
        lambda run: latencies(run, before(run)),
        is_replaced,
    ),
    Metric("course", "1/s", "requests of each guest per second, over time in ms", course),
    Metric("changes", "ms", "when guests came after the beginning", changes),
)


COURSE = Course(
    name="mclock_published",
    caption=(
        "Rates of guests on a drive without seeks. Figure 4: vm1 has 4, vm2 8 and vm3 32 reads outstanding, weights 2:2:1; at "
        "half time vm4, limited to 300/s, takes the place of vm3. Figure 5: weights 1:1:2, vm2 limited to 400/s, vm3 to 500/s. "
        "Figure 6: weights 1:1:2:2:2, vm1 has 300/s reserved and vm2 250/s. sfq knows weights alone."
    ),
    path="course",
    marks="changes",
    x_label="time [s]",
    quantity=Quantity("rate [1/s]"),
    panels=tuple(
        (f"{name}, {policy}", {"case": name, "ringctl": policy}) for name in FIGURES for policy in POLICIES
    ),
)

EXPERIMENT = Experiment(
    name="mclock_published",
    title="mClock's figures 4 to 6, tables 3 and 4",
    question="Do limits, reservations and weights give guests that come and go what the mClock paper reports?",
    factors=(
        Factor("case", "figure or table of the paper", tuple(CASES), tuple(CASES), Choice(tuple(CASES))),
        Factor("ringctl", "ring policy", POLICIES, POLICIES, Policies("ring")),
    ),
    settings=(duration(full=7500, quick=1500), warm_up(full=6200, quick=1250)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(COURSE,),
    samples=3,
)
