"""Limits of a drive in requests and in bytes at once: a guest with both asks for requests of any size.

The limited guest may have 500 requests and 8 MiB per second. Its random reads grow from 512 bytes to 128 KiB, and 16 of them
are always outstanding. A second guest keeps the drive busy with reads of 4 KiB. Up to 16 KiB the first limit binds, above it
the second.
"""

from __future__ import annotations

from bulkhead import MIB, GuestDisk, Machine, Policy
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
from bulkhead.metrics.trace import int64
from bulkhead.result.model import Level

KIB = 1024
LIMIT, BANDWIDTH = 500, 8192  # requests, KiB per second
# What each policy can be told of that.
LIMITED = {
    "mclock": {"limit": LIMIT, "bandwidth": BANDWIDTH},
    "token_bucket": {"rate": LIMIT},
}
SIZES = (512, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB)


def machine(point: Point) -> Machine:
    """The limited guest, and one that keeps the drive busy."""
    policy, disks = point.policy("ringctl"), (GuestDisk(16 * MIB),)
    limited = small_guest(
        "limited",
        "disk",
        f"depth=16 bytes={point.number('size')}",
        disks=disks,
        ringctl=LIMITED.get(policy.name, {}),
    )
    return Machine(
        guests=(limited, small_guest("other", "disk", "depth=4", disks=disks)),
        sched=Policy("credit2"),
        ringctl=policy,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def rate(run: Observed) -> float:
    """Requests of the limited guest that the drive completed, per second of the window."""
    done = run.trace.of("ring_complete")
    done = done[run.window.holds(int64(done["time"]))]
    return float((done["domain"] == run.domains["limited"]).sum()) * 1e9 / run.window.length


def allowed(size: int) -> float:
    """Requests of a size that both limits allow, per second."""
    return min(LIMIT, BANDWIDTH * KIB / size)


METRICS = (
    Metric("iops", "1/s", "requests of the limited guest per second", rate),
    Metric(
        "bytes",
        "B/s",
        "bytes of the limited guest per second",
        lambda run: rate(run) * run.point.number("size"),
    ),
    Metric(
        "used",
        "1",
        "requests of the limited guest over what its limits allow",
        lambda run: rate(run) / allowed(run.point.number("size")),
    ),
)


def bound(values: dict[int, float]) -> Reference:
    """What the limits allow."""
    levels: dict[Level, tuple[float, float, float]] = {
        size: (value, value, value) for size, value in values.items()
    }
    return Reference("what both limits allow", "computed", levels)


FIGURE = Lines(
    name="ring_limits",
    caption=(
        f"A guest limited to {LIMIT} requests and {BANDWIDTH // KIB} MiB per second that always has 16 random reads outstanding, "
        "beside one that keeps the modelled drive busy. Red marks: computed from the limits. `token_bucket` knows the first only."
    ),
    x="size",
    x_label="size of a request [bytes]",
    series="ringctl",
    panels=(
        Panel(
            path="iops",
            quantity=Quantity("rate [1/s]"),
            title="(a) requests",
            references=(bound({size: allowed(size) for size in SIZES}),),
        ),
        Panel(
            path="bytes",
            quantity=Quantity("rate [MiB/s]", factor=1 / MIB),
            title="(b) bytes",
            references=(bound({size: allowed(size) * size for size in SIZES}),),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="ring_limits",
    title="Limits in requests and in bytes",
    question="Do a limit in requests and a limit in bytes hold at once, whatever a guest asks for?",
    factors=(
        Factor("ringctl", "ring policy", tuple(LIMITED), ("mclock",), Policies("ring")),
        Factor("size", "size of a request", SIZES, (512, 64 * KIB), Whole(512, 128 * KIB), unit="bytes"),
    ),
    settings=(duration(full=4000, quick=1500), warm_up(full=500, quick=500)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    samples=3,
)
