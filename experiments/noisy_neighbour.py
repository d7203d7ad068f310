"""A victim's losses beside 0 to 4 CPU hogs: the latency of a responder and the throughput of a computation.

With victim=linux the victim is Debian's Linux with sysbench, and the hogs are Linux guests with stress-ng.
"""

from __future__ import annotations

from bulkhead import MIB, SECOND, BulkheadError, Guest, Machine, TimelineEntry
from bulkhead.experiment import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Setting,
    Whole,
    drain,
    duration,
    entitlement_metric,
    fairness_metric,
    response_metric,
    share_metric,
    skew_metric,
    summary,
    wake_metric,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity
from bulkhead.linux.kernel import DEBIAN_KERNEL
from bulkhead.linux.report import results
from bulkhead.metrics import degradation, slowdown

MILLISECOND = 1_000_000
GUEST_MEMORY = 4 * MIB
LINUX_MEMORY = 192 * MIB
BULKHEAD_MEMORY = 384 * MIB  # the manifest with kernel and images is there twice for a while
LAG_WINDOWS_MS = (1, 10, 100)


def guest(name: str, workload: str, cmdline: str = "", start_paused: bool = False) -> Guest:
    """A guest of the weight that all guests here have."""
    return Guest(name, f"workload:{workload}", cmdline, memory=GUEST_MEMORY, start_paused=start_paused)


def linux(name: str, image: str, job: str) -> Guest:
    """A Linux guest that does one job for ever."""
    cmdline = f"console=hvc0 quiet bulkhead.job={job}"
    return Guest(name, DEBIAN_KERNEL, cmdline, initrd=f"image:{image}", memory=LINUX_MEMORY)


def linux_machine(point: Point) -> Machine:
    """The same machine with Linux guests: all boot at once, and the victim is measured at the run's end."""
    count = point.number("hogs")
    noise = tuple(linux(f"hog{i + 1}", "stress", "noise:cpu:fork:vm") for i in range(count))
    guests = (linux("victim", "sysbench", "sysbench-forever"), *noise)
    return Machine(
        guests=guests,
        sched=point.policy("sched"),
        memory=len(guests) * LINUX_MEMORY + BULKHEAD_MEMORY,
        duration=point.number("linux_boot_ms") * MILLISECOND * len(guests)
        + max(point.duration_ns, linux_window(point) * SECOND),
        seed=point.number("seed"),
        end_when_idle=False,
        trace_bytes=64 * MIB,
    )


def linux_window(point: Point) -> int:
    """Seconds at the run's end in which a Linux victim is measured; sysbench counts whole seconds."""
    return max(2, -(-point.duration_ns // SECOND))


def victims(point: Point) -> tuple[Guest, ...]:
    """The victim, and the pinger that a responder needs."""
    if point.text("victim") == "compute":
        return (guest("victim", "compute", "mark_ops=50"),)
    period = f"period_us={point.number('period_us')}"
    return (guest("victim", "responder", "peer=pinger"), guest("pinger", "pinger", f"peer=victim {period}"))


def machine(point: Point) -> Machine:
    """The victim and its co-runners on one pCPU. The hogs start once the victim is at work."""
    if is_linux(point):
        return linux_machine(point)
    hogs = tuple(guest(f"hog{i + 1}", "cpu_hog", start_paused=True) for i in range(point.number("hogs")))
    noise = point.number("noise_at_ms") * MILLISECOND
    return Machine(
        guests=victims(point) + hogs,
        sched=point.policy("sched"),
        duration=point.duration_ns,
        timeline=tuple(TimelineEntry(noise, "unpause", hog.name) for hog in hogs),
        seed=point.number("seed"),
        end_when_idle=False,
    )


def is_responder(point: Point) -> bool:
    """Points whose victim answers requests."""
    return point.text("victim") == "responder"


def is_compute(point: Point) -> bool:
    """Points whose victim computes."""
    return point.text("victim") == "compute"


def has_throughput(point: Point) -> bool:
    """Points whose victim counts its operations."""
    return is_compute(point) or is_linux(point)


def is_linux(point: Point) -> bool:
    """Points whose victim is Linux."""
    return point.text("victim") == "linux"


def events_per_second(run: Observed) -> float:
    """The mean of sysbench's last seconds, all hogs at work. BulkheadError if the victim or a hog was not ready by then."""
    consoles, window = run.run.consoles, linux_window(run.point)
    lines = results(consoles.get("victim", ""), "sysbench-forever")
    if len(lines) <= window:
        raise BulkheadError(f"{run.point.label}: sysbench did not run {window} s; raise linux_boot_ms")
    for guest in run.guests:
        if guest != "victim" and not results(consoles.get(guest, ""), "noise"):
            raise BulkheadError(f"{run.point.label}: {guest} had not booted; raise linux_boot_ms")
    return sum(float(line["events_per_s"]) for line in lines[-window:]) / window


def throughput(run: Observed) -> float | None:
    """Operations per second of the victim; sysbench's events if it is Linux."""
    if is_linux(run.point):
        return events_per_second(run)
    return run.progress("victim").per_second


METRICS = (
    Metric("throughput", "op/s", "operations of the victim per second", throughput, has_throughput),
    response_metric("pinger", is_responder),
    Metric(
        "round_trip",
        "ns",
        "round trip: request_sent to reply_received, both at the pinger",
        lambda run: summary(run.between(("pinger", "request_sent"), ("pinger", "reply_received"))),
        is_responder,
    ),
    Metric(
        "response",
        "ns",
        "the victim's own part: request_sent at the pinger to response_sent at the victim",
        lambda run: summary(run.between(("pinger", "request_sent"), ("victim", "response_sent"))),
        is_responder,
    ),
    Metric(
        "arrival",
        "ns",
        "request_sent at the pinger to request_seen at the victim",
        lambda run: summary(run.between(("pinger", "request_sent"), ("victim", "request_seen"))),
        is_responder,
    ),
    wake_metric("victim"),
    Metric(
        "timer_lateness",
        "ns",
        "pinger's timers: expiry after the deadline",
        lambda run: summary(run.timer_lateness("pinger")),
        is_responder,
    ),
    share_metric(),
    entitlement_metric(),
    fairness_metric(),
    skew_metric("victim"),
    Metric(
        "lag",
        "ns",
        "victim: largest |entitled - received| in any window of the given length in ms",
        lambda run: run.lag_by_window("victim", LAG_WINDOWS_MS),
    ),
)

ALONE = {"hogs": 0}

COMPARISONS = (
    Comparison("degradation", "%", "victim's loss of throughput", "throughput", ALONE, degradation),
    Comparison(
        "ideal_degradation",
        "%",
        "loss of throughput under an exactly fair share",
        "entitlement.victim",
        ALONE,
        degradation,
    ),
    Comparison("slowdown", "1", "p99 of the response time over that alone", "latency.p99", ALONE, slowdown),
    Comparison(
        "ideal_latency",
        "ns",
        "p99 of the response time alone",
        "latency.p99",
        ALONE,
        lambda together, alone: alone,
    ),
)

FIGURE = Lines(
    name="noisy_neighbour",
    caption=(
        "A victim beside CPU hogs of the same weight on one pCPU. "
        "Ideal: the latency without hogs, and the loss under an exactly fair share."
    ),
    x="hogs",
    x_label="CPU hogs beside the victim",
    series="sched",
    panels=(
        Panel(
            path="latency.p99",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("p99 of response [ms]", factor=1e-6, log=True),
            title="(a) responder",
            where={"victim": "responder"},
            ideal=Ideal("ideal_latency"),
        ),
        Panel(
            path="degradation",
            quantity=Quantity("throughput lost [%]"),
            title="(b) compute",
            where={"victim": "compute"},
            ideal=Ideal("ideal_degradation"),
        ),
        Panel(
            path="degradation",
            quantity=Quantity("throughput lost [%]"),
            title="(c) sysbench in Linux, beside stress-ng in Linux",
            where={"victim": "linux"},
            ideal=Ideal("ideal_degradation"),
        ),
    ),
)

EXPERIMENT = Experiment(
    name="noisy_neighbour",
    title="Noisy neighbour",
    question="How much latency and throughput does a victim lose to CPU hogs, under each scheduler?",
    factors=(
        Factor(
            "sched",
            "scheduler",
            ("round_robin", "credit", "credit_sampled"),
            ("round_robin", "credit", "credit_sampled"),
            Policies("scheduler"),
        ),
        Factor(
            "victim",
            "the victim's workload",
            ("responder", "compute"),
            ("responder", "compute"),
            Choice(("responder", "compute", "linux")),
        ),
        Factor("hogs", "CPU hogs beside the victim", (0, 1, 2, 3, 4), (0, 1, 2, 4), Whole(0, 16)),
    ),
    settings=(
        duration(full=2000, quick=500),
        warm_up(full=200, quick=200),
        drain(full=300, quick=150),
        Setting("noise_at_ms", "when the hogs start", "ms", 30, 30, 1, 60_000),
        Setting(
            "linux_boot_ms",
            "pCPU time that each Linux guest has to boot",
            "ms",
            20_000,
            20_000,
            1,
            600_000,
        ),
        # No multiple of it falls together with a scheduler's tick for long.
        Setting("period_us", "time between two requests of the pinger", "us", 1130, 1130, 100, 1_000_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
)
