"""Idle credit of mClock, its table 5: a guest whose reads come in bursts, beside one that never stops asking.

Each 400 ms the bursty guest is due 128 random reads of 4 KiB, of which its ring holds 32 at a time. The steady guest always
has 32 random reads of 16 KiB outstanding. Both have the same weight. The drive serves about as many requests per second as the
paper's array did at this load, 2,740.

Source: A. Gulati, A. Merchant, P. J. Varman, "mClock: handling throughput variability for hypervisor IO scheduling", OSDI
2010, table 5.
"""

from __future__ import annotations

from dataclasses import replace

from bulkhead import MIB, Disk, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    drain,
    duration,
    small_guest,
    summary,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity, Reference
from bulkhead.metrics import Delays
from bulkhead.model.spec import Guest
from bulkhead.result.model import Level

CREDITED = ("mclock",)  # policies with idle credit
CREDITS = (0, 1, 8, 16, 32, 64, 96, 128)
DRIVE = Disk(request_us=40, seek_us=315, bytes_per_us=1600, depth=2)
SOURCE = "Gulati, Merchant and Varman, OSDI 2010"


def guest(name: str, options: str) -> Guest:
    """A guest with a disk of its own."""
    return small_guest(name, "disk", options, disks=(GuestDisk(16 * MIB),))


def machine(point: Point) -> Machine:
    """The bursty and the steady guest."""
    policy = point.policy("ringctl")
    if policy.name in CREDITED:
        policy = replace(policy, parameters={**policy.parameters, "credit": point.number("credit")})
    return Machine(
        guests=(
            guest("bursty", "period_us=400000 burst=128 depth=32"),
            guest("steady", "depth=32 bytes=16384"),
        ),
        sched=Policy("credit2"),
        ringctl=policy,
        disk=DRIVE,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def excludes(point: Point) -> str | None:
    """Policies without idle credit are run once."""
    if point.policy("ringctl").name in CREDITED or point.number("credit") == 0:
        return None
    return "the policy has no idle credit"


def times(delays: Delays) -> dict[str, float | int | None]:
    """Mean and percentiles; no mean if a request never ended."""
    mean = None if delays.unfinished or not len(delays.samples) else float(delays.samples.mean())
    return {"mean": mean, **summary(delays)}


def response(run: Observed) -> dict[str, float | int | None]:
    """Of the bursty guest's reads, from the burst on."""
    return times(run.open_loop("bursty"))


def steady_response(run: Observed) -> dict[str, float | int | None]:
    """Of the steady guest's reads, from each request on."""
    return times(run.between(("steady", "request_sent"), ("steady", "reply_received")))


METRICS = (
    Metric("latency", "ns", "bursty guest: from the burst to each of its answers", response),
    Metric("steady_latency", "ns", "steady guest: from each request to its answer", steady_response),
    Metric(
        "iops",
        "1/s",
        "reads of each guest per second",
        lambda run: {name: run.progress(name).per_second for name in run.guests},
    ),
)

COMPARISONS = (
    Comparison(
        "faster",
        "%",
        "how much lower the bursty guest's mean latency is than without credit",
        "latency.mean",
        {"credit": 0},
        lambda here, there: 100 * (1 - here / there),
    ),
)


def published(without: float, with_64: float) -> Reference:
    """Table 5's numbers at a credit of 1 and of 64."""
    values: dict[Level, tuple[float, float, float]] = {
        1: (without, without, without),
        64: (with_64, with_64, with_64),
    }
    return Reference("mClock, table 5", SOURCE, values)


FIGURE = Lines(
    name="mclock_credit",
    caption=(
        "A guest with bursts of 128 reads of 4 KiB each 400 ms beside one that always has 32 reads of 16 KiB outstanding, "
        "of equal weight. Red marks: the values that the paper reports for its array."
    ),
    x="credit",
    x_label="idle credit [requests]",
    series="ringctl",
    panels=(
        Panel(
            path="latency.mean",
            quantity=Quantity("mean latency [ms]", factor=1e-6),
            title="(a) bursty guest, from the burst on",
            references=(published(49e6, 30.8e6),),
        ),
        Panel(
            path="iops.bursty",
            quantity=Quantity("rate [1/s]"),
            title="(b) bursty guest",
            references=(published(312, 316),),
        ),
        Panel(
            path="iops.steady",
            quantity=Quantity("rate [1/s]"),
            title="(c) steady guest",
            references=(published(2420, 2460),),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="mclock_credit",
    title="Idle credit for bursts",
    question="How much sooner is a burst of requests answered if its guest has credit for having been idle?",
    factors=(
        Factor("ringctl", "ring policy", ("sfq", "mclock"), ("mclock",), Policies("ring")),
        Factor("credit", "idle credit", CREDITS, (0, 64), Whole(0, 256), unit="requests"),
    ),
    settings=(duration(full=5200, quick=1500), warm_up(full=1200, quick=600), drain(full=400, quick=200)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
    excludes=excludes,
)
