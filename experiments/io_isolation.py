"""I/O isolation: a guest reads its disk by timetable, next to one that floods the queue or asks for large requests.

On the modelled drive (`bulkhead.Disk`). A random 4 KiB read takes 410 us, so the victim alone uses 41 % of the drive. A read
of 128 KiB, the largest that the front end asks for, takes 728 us.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, GuestDisk, Machine, Policy
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    drain,
    duration,
    read_metrics,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity
from bulkhead.metrics import degradation
from bulkhead.metrics.trace import int64

POLICIES = ("fifo", "round_robin", "token_bucket", "drr", "sfq", "mclock", "latency_target")
CORUNNERS = {
    "none": None,
    "reader": "disk depth=8 sequential=1 bytes=65536",
    "flood": "disk_flood",
    "big": "disk depth=16 bytes=131072",
}
DISK_MIB = 16  # of each guest
# Policies that can be told what the victim is to have.
RESERVED = {
    "mclock": {"reservation": 1000},
    "latency_target": {"target": 2000, "rate": 1000},
}


def machine(point: Point) -> Machine:
    """The victim asks for 4 KiB each millisecond, at most 8 at a time; its co-runner never stops asking. Equal weights."""
    policy, corunner = point.policy("ringctl"), CORUNNERS[point.text("corunners")]
    disks = (GuestDisk(DISK_MIB * MIB),)
    reserved = RESERVED.get(policy.name, {})
    victim = small_guest("victim", "disk", "period_us=1013 depth=8", disks=disks, ringctl=reserved)
    others: tuple[Guest, ...] = ()
    if corunner is not None:
        workload, _, options = corunner.partition(" ")
        others = (small_guest("corunner", workload, options, disks=disks),)
    return Machine(
        guests=(victim, *others),
        sched=Policy("credit2"),
        ringctl=policy,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def device_share(run: Observed) -> dict[str, float]:
    """Part of the window in which the device worked for each guest."""
    done = run.trace.of("ring_complete")
    done = done[run.window.holds(int64(done["time"]))]
    return {
        guest: float(done["b"][done["domain"] == run.domains[guest]].sum()) / run.window.length
        for guest in run.guests
    }


METRICS = (
    *read_metrics("victim"),
    Metric("device", "1", "part of the device's time for each guest", device_share),
    share_metric(),
)

ALONE = {"corunners": "none"}

COMPARISONS = (
    Comparison("lost", "%", "victim's loss of reads per second", "iops", ALONE, degradation),
    Comparison("alone", "ns", "p99 alone", "latency.p99", ALONE, lambda together, alone: alone),
)

FIGURE = Lines(
    name="io_isolation",
    caption=(
        "A guest that reads 4 KiB each ms from the modelled drive, at most 8 at a time, beside a sequential reader, "
        "a flood of 512-byte requests, or 128 KiB requests. (a) No marker "
        "where more than 1 % of the reads never completed. (b) Reads lost. Ideal: alone."
    ),
    x="corunners",
    x_label="co-runner",
    series="ringctl",
    panels=(
        Panel(
            path="latency.p99",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("p99 of response [ms]", factor=1e-6, log=True),
            title="(a) response time",
            ideal=Ideal("alone"),
        ),
        Panel(path="lost", quantity=Quantity("reads lost [%]"), title="(b) reads per second"),
    ),
)

EXPERIMENT = Experiment(
    name="io_isolation",
    title="I/O isolation",
    question="How much does a guest with modest, regular reads keep next to a guest that keeps the disk's queue full?",
    factors=(
        Factor("ringctl", "ring policy", POLICIES, ("fifo", "drr", "mclock"), Policies("ring")),
        Factor(
            "corunners",
            "co-runner on the same disk",
            tuple(CORUNNERS),
            ("none", "flood"),
            Choice(tuple(CORUNNERS)),
        ),
    ),
    settings=(duration(full=3000, quick=800), warm_up(full=500, quick=200), drain(full=500, quick=200)),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
    samples=3,
)
