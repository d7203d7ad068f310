"""The allocation of mClock's figure 3: reservations, a limit and weights on a drive of any capacity.

Three guests always have 32 random reads of 4 KiB outstanding: remote desktop (rd), transaction processing (oltp) and data
migration (dm), with weights 1:2:3. The first two have 250 requests per second reserved, the third is limited to 1,000. Which
rate each of them gets follows from the drive's capacity alone, by the rule in `bulkhead.metrics.allocation`.

Source: A. Gulati, A. Merchant, P. J. Varman, "mClock: handling throughput variability for hypervisor IO scheduling", OSDI
2010, figure 3. The modelled drive has no seek here, so that its capacity does not depend on the order of requests.
"""

from __future__ import annotations

from fractions import Fraction

from bulkhead import MIB, Disk, Guest, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity, Reference
from bulkhead.metrics.allocation import Tenant, allocation
from bulkhead.metrics.trace import int64
from bulkhead.result.model import Level


TENANTS = {"rd": Tenant(1, reservation=250), "oltp": Tenant(2, reservation=250), "dm": Tenant(3, limit=1000)}
WEIGHT = 256  # of a tenant of weight 1
POLICIES = ("sfq", "mclock")
RESERVES = ("mclock",)  # policies that know reservations and limits
CAPACITIES = (
    *(300, 400, 500, 600, 700, 800, 875, 1000, 1100, 1200),
    *(1300, 1400, 1500, 1600, 1750, 1900, 2000, 2150, 2300, 2500),
)
BYTES_PER_US = 4096  # a request of 4 KiB is transferred in 1 us
IN_DRIVE = 2  # requests: the drive never waits for the hypervisor


def drive(capacity: int) -> Disk:
    """A drive that serves so many requests per second, to the nearest microsecond of one request."""
    return Disk(request_us=round(1e6 / capacity) - 1, seek_us=0, bytes_per_us=BYTES_PER_US, depth=IN_DRIVE)


def expected(capacity: int, reserves: bool) -> dict[str, float]:
    """The allocation on the modelled drive: by the published rule, or by weight alone."""
    exact = Fraction(1_000_000, round(1e6 / capacity))
    tenants = TENANTS if reserves else {name: Tenant(tenant.weight) for name, tenant in TENANTS.items()}
    return {name: float(rate) for name, rate in allocation(exact, tenants).items()}


def machine(point: Point) -> Machine:
    """Three guests that never stop asking, on a drive of the point's capacity."""
    policy = point.policy("ringctl")

    def guest(name: str, tenant: Tenant) -> Guest:
        promised = {"reservation": tenant.reservation, "limit": tenant.limit}
        return small_guest(
            name,
            "disk",
            "depth=32",
            weight=tenant.weight * WEIGHT,
            disks=(GuestDisk(16 * MIB),),
            ringctl=promised if policy.name in RESERVES else {},
        )

    return Machine(
        guests=tuple(guest(name, tenant) for name, tenant in TENANTS.items()),
        sched=Policy("credit2"),
        ringctl=policy,
        disk=drive(point.number("capacity")),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def rates(run: Observed) -> dict[str, float]:
    """Requests of each guest that the drive completed, per second of the window."""
    done = run.trace.of("ring_complete")
    done = done[run.window.holds(int64(done["time"]))]
    return {
        name: float((done["domain"] == run.domains[name]).sum()) * 1e9 / run.window.length for name in TENANTS
    }


def rule(run: Observed) -> dict[str, float]:
    """What the published rule gives each guest; weights alone under a policy without reservations."""
    return expected(run.point.number("capacity"), run.point.policy("ringctl").name in RESERVES)


def apart(run: Observed) -> float:
    """Largest distance from the rule [%]: of a guest's own rate, or of the capacity where it is due nothing."""
    got, due = rates(run), rule(run)
    return max(100 * abs(got[name] - due[name]) / (due[name] or sum(due.values())) for name in TENANTS)


METRICS = (
    Metric("iops", "1/s", "requests of each guest per second", rates),
    Metric("rule", "1/s", "requests per second that the published rule gives each guest", rule),
    Metric("apart", "%", "largest distance of a guest's rate from the rule", apart),
)


def published(name: str) -> Reference:
    """The rule's curve of one guest."""
    curve = {capacity: expected(capacity, True)[name] for capacity in CAPACITIES}
    values: dict[Level, tuple[float, float, float]] = {
        capacity: (rate, rate, rate) for capacity, rate in curve.items()
    }
    return Reference("rule of mClock's figure 3", "Gulati, Merchant and Varman, OSDI 2010", values)


def panel(letter: str, name: str, promise: str) -> Panel:
    """A guest's rate over the drive's capacity."""
    return Panel(
        path=f"iops.{name}",
        quantity=Quantity("rate [1/s]"),
        title=f"({letter}) {name}: {promise}",
        references=(published(name),),
    )


FIGURE = Lines(
    name="mclock_reservations",
    caption=(
        "Three guests that always have 32 random 4 KiB reads outstanding, on a drive without seeks whose capacity varies. "
        "Red marks: the allocation by the rule of mClock's figure 3, computed and not measured."
    ),
    x="capacity",
    x_label="capacity of the drive [requests per second]",
    series="ringctl",
    panels=(
        panel("a", "rd", "weight 1, reservation 250/s"),
        panel("b", "oltp", "weight 2, reservation 250/s"),
        panel("c", "dm", "weight 3, limit 1,000/s"),
    ),
    wide=True,
)

EXPERIMENT = Experiment(
    name="mclock_reservations",
    title="Reservations, limits and weights of a drive",
    question="Does each guest get what its reservation, limit and weight give it, whatever the drive can do?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, POLICIES, Policies("ring")),
        Factor(
            "capacity",
            "capacity of the drive",
            CAPACITIES,
            (300, 1200, 2150),
            Whole(100, 10_000),
            unit="1/s",
        ),
    ),
    settings=(duration(full=5000, quick=1500), warm_up(full=1000, quick=500)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
