"""Agreement of simulator and hypervisor: the same machines on both back ends, under the same policy files."""

from __future__ import annotations

from dataclasses import replace

from bulkhead import MIB, Guest, Machine, TimelineEntry
from bulkhead.experiment import (
    BACKEND,
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
    find,
    response_metric,
    share_metric,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.model.planner import Reservation, plan

NEIGHBOURS = find("noisy_neighbour")
DODGER = "dodger"
DODGER_AT = 200_000_000  # ns; a guest beside it may never get far enough to start
VICTIMS = ("victim", "pinger")
FRAME_US = 10_000
RESERVED_US = {"victim": 3_000, "pinger": 1_000}  # of each frame


def slots(noise: list[str]) -> dict[str, dict[str, int]]:
    """A timetable: victim and pinger get their parts, all others together half of the frame."""
    wanted = [Reservation(name, work, FRAME_US) for name, work in RESERVED_US.items()]
    wanted += [Reservation(name, FRAME_US // 2 // len(noise), FRAME_US) for name in noise]
    return {name: slot.parameters() for name, slot in plan(wanted).items()}


def reserve(machine: Machine) -> Machine:
    """The machine with the reservations of its guests, under a scheduler that supports them."""
    names = [guest.name for guest in machine.guests]
    policy = machine.sched.name if machine.sched is not None else ""
    if policy == "table":
        given = slots([name for name in names if name not in VICTIMS])
    elif policy == "rtds":
        given = {name: {"budget": work, "period": FRAME_US} for name, work in RESERVED_US.items()}
    else:
        return machine
    return replace(
        machine, guests=tuple(replace(guest, sched=given.get(guest.name, {})) for guest in machine.guests)
    )


def machine(point: Point) -> Machine:
    """The machine of a point, with its reservations."""
    return reserve(dodged(point) if point.text("case") == DODGER else neighbours(point))


def neighbours(point: Point) -> Machine:
    """A machine of noisy_neighbour."""
    return NEIGHBOURS.machine(replace(point, levels={**point.levels, "victim": point.text("case")}))


def dodged(point: Point) -> Machine:
    """A machine like theft_of_service's: a dodger in the place of the first hog."""
    noise = ["tick_dodger", *["cpu_hog"] * (point.number("hogs") - 1)][: point.number("hogs")]
    guests = {"victim": "compute"} | {f"hog{i + 1}": workload for i, workload in enumerate(noise)}
    return Machine(
        guests=tuple(
            Guest(name, f"workload:{workload}", memory=4 * MIB, start_paused=workload == "tick_dodger")
            for name, workload in guests.items()
        ),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        timeline=(TimelineEntry(DODGER_AT, "unpause", "hog1"),) if noise else (),
        seed=point.number("seed"),
        end_when_idle=False,
    )


def is_responder(point: Point) -> bool:
    """Points whose victim answers requests."""
    return point.text("case") == "responder"


def victim_share(run: Observed) -> float:
    """The share of the victim and of its pinger."""
    shares = run.share(run.guests)
    return sum(shares[name] for name in VICTIMS if name in shares)


def noise_share(run: Observed) -> float:
    """The share of all other guests together."""
    return sum(share for name, share in run.share(run.guests).items() if name not in VICTIMS)


HYPERVISOR = {BACKEND: "qemu"}


def apart(simulated: float, real: float) -> float:
    """Distance of two numbers."""
    return abs(simulated - real)


def percent_apart(simulated: float, real: float) -> float | None:
    """Distance in per cent of the hypervisor's number; None if that is zero."""
    return 100 * abs(simulated - real) / real if real else None


METRICS = (
    Metric("victim_share", "1", "part of the pCPU time of victim and pinger", victim_share),
    Metric("noise_share", "1", "part of the pCPU time of all others", noise_share),
    response_metric("pinger", is_responder),
    share_metric(),
)

COMPARISONS = (
    Comparison(
        "victim_share_error",
        "percentage points",
        "victim's share, distance from the hypervisor's",
        "victim_share",
        HYPERVISOR,
        lambda simulated, real: 100 * apart(simulated, real),
    ),
    Comparison(
        "noise_share_error",
        "percentage points",
        "the others' share, distance from the hypervisor's",
        "noise_share",
        HYPERVISOR,
        lambda simulated, real: 100 * apart(simulated, real),
    ),
    Comparison("p50_error", "ns", "median response time, distance", "latency.p50", HYPERVISOR, apart),
    Comparison("p99_error", "ns", "p99 of the response time, distance", "latency.p99", HYPERVISOR, apart),
    Comparison(
        "p99_error_percent",
        "%",
        "the same, in per cent of the hypervisor's",
        "latency.p99",
        HYPERVISOR,
        percent_apart,
    ),
)

FIGURE = Lines(
    name="agreement",
    caption=(
        "Distance of the simulator's numbers from the hypervisor's, one pCPU, the same policy files. The costs of the "
        "hypervisor's own work are calibrated on two of these machines."
    ),
    x="hogs",
    x_label="hogs beside the victim",
    series="sched",
    panels=(
        Panel(
            path="p99_error_percent",
            quantity=Quantity("error of p99 [%]"),
            title="(a) responder",
            where={"case": "responder", BACKEND: "sim"},
        ),
        Panel(
            path="victim_share_error",
            quantity=Quantity("error of the share [pp]"),
            title="(b) compute",
            where={"case": "compute", BACKEND: "sim"},
        ),
        Panel(
            path="victim_share_error",
            quantity=Quantity("error of the share [pp]"),
            title="(c) compute, first hog a dodger",
            where={"case": DODGER, BACKEND: "sim"},
        ),
    ),
)

BY_WEIGHT = ("round_robin", "credit", "credit_sampled", "stride", "bvt", "credit2", "eevdf")
SCHEDULERS = (*BY_WEIGHT, "rtds", "table", "pinned")

EXPERIMENT = Experiment(
    name="agreement",
    title="Agreement of the two back ends",
    question="How far are the simulator's shares and latencies from those measured on the hypervisor?",
    factors=(
        Factor(BACKEND, "back end", ("qemu", "sim"), ("qemu", "sim"), Choice(("qemu", "sim"))),
        Factor("sched", "scheduler", SCHEDULERS, (*SCHEDULERS[:3], "table"), Policies("scheduler")),
        Factor(
            "case",
            "workload of the victim, and whether the first hog is a dodger",
            ("responder", "compute", DODGER),
            ("responder", "compute", DODGER),
            Choice(("responder", "compute", DODGER)),
        ),
        Factor("hogs", "hogs beside the victim", (0, 1, 2, 4), (1,), Whole(0, 16)),
    ),
    settings=(
        duration(full=3000, quick=800),
        warm_up(full=1000, quick=300),
        drain(full=300, quick=150),
        Setting("noise_at_ms", "when the hogs start", "ms", 30, 30, 1, 60_000),
        Setting("period_us", "time between two requests of the pinger", "us", 1130, 1130, 100, 1_000_000),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=COMPARISONS,
    figures=(FIGURE,),
)
