"""What noise next door does to a victim: a responder's latency and a computation's throughput beside 0 to 4 CPU hogs."""

from __future__ import annotations

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
    summary,
    warm_up,
)
from bulkhead.figures import Ideal, Lines, Panel, Quantity
from bulkhead.metrics import degradation, slowdown
from bulkhead.spec import MIB, GuestSpec, Machine, TimelineEntry

MILLISECOND = 1_000_000
GUEST_MEMORY = 4 * MIB
LAG_WINDOWS_MS = (1, 10, 100)


def guest(name: str, workload: str, cmdline: str = "", start_paused: bool = False) -> GuestSpec:
    """A guest of the weight that all guests here have."""
    return GuestSpec(name, f"workload:{workload}", cmdline, memory=GUEST_MEMORY, start_paused=start_paused)


def victims(point: Point) -> tuple[GuestSpec, ...]:
    """The victim, and whoever it needs to have something to do."""
    if point.text("victim") == "compute":
        return (guest("victim", "compute", "mark_ops=50"),)
    period = f"period_us={point.number('period_us')}"
    return (guest("victim", "responder", "peer=pinger"), guest("pinger", "pinger", f"peer=victim {period}"))


def machine(point: Point) -> Machine:
    """The victim, its company, and nothing else on one pCPU. The hogs start once the victim is at work."""
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


def throughput(run: Observed) -> float | None:
    """Operations per second of the victim."""
    return run.progress("victim").per_second


METRICS = (
    Metric("throughput", "op/s", "operations of the victim per second", throughput, is_compute),
    Metric(
        "latency",
        "ns",
        "response time: from the instant at which a request was due to its reply at the pinger (open loop)",
        lambda run: summary(run.open_loop("pinger")),
        is_responder,
    ),
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
    Metric("wake_to_run", "ns", "victim: wake to run_in", lambda run: summary(run.wake_to_run("victim"))),
    Metric(
        "timer_lateness",
        "ns",
        "pinger's timers: expiry after the deadline",
        lambda run: summary(run.timer_lateness("pinger")),
        is_responder,
    ),
    Metric("share", "1", "part of the pCPU time that each guest ran", lambda run: run.share(run.guests)),
    Metric(
        "entitlement",
        "1",
        "part of the pCPU time that each guest is due when all want to run",
        lambda run: run.entitlement(run.guests),
    ),
    Metric(
        "fairness",
        "1",
        "received / entitled in the fluid schedule over the guests: Jain's index and the least",
        lambda run: run.fairness(run.guests),
    ),
    Metric(
        "skew",
        "ns",
        "victim: progress skew, largest |lag|, longest gap and wait",
        lambda run: run.skew("victim"),
    ),
    Metric(
        "lag",
        "ns",
        "victim: largest |entitled - received| within any window of so many ms",
        lambda run: run.lag_by_window("victim", LAG_WINDOWS_MS),
    ),
)

ALONE = {"hogs": 0}

COMPARISONS = (
    Comparison("degradation", "%", "victim's loss of throughput", "throughput", ALONE, degradation),
    Comparison(
        "ideal_degradation",
        "%",
        "the loss that an exactly fair share means",
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
        "A victim beside CPU hogs of its own weight on one pCPU. Marker: p99, whisker: p50 to maximum. "
        "Ideal: the latency without hogs, and the loss that an exactly fair share means."
    ),
    x="hogs",
    x_label="CPU hogs beside the victim",
    series="sched",
    panels=(
        Panel(
            path="latency.p99",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("response time [ms]", factor=1e-6, log=True),
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
            Choice(("responder", "compute")),
        ),
        Factor("hogs", "CPU hogs beside the victim", (0, 1, 2, 3, 4), (0, 1, 2, 4), Whole(0, 16)),
    ),
    settings=(
        duration(full=2000, quick=500),
        warm_up(full=200, quick=100),
        drain(full=300, quick=150),
        Setting("noise_at_ms", "when the hogs start", "ms", 30, 30, 1, 60_000),
        # No multiple of it falls together with a scheduler's tick for long.
        Setting("period_us", "time between two requests of the pinger", "us", 1130, 1130, 100, 1_000_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
)
