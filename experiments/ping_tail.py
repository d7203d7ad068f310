"""The longest ping among many guests: a responder, its pinger, and hogs that always want the CPU.

After Vanga et al., "Tableau: a high-throughput and predictable VM scheduler for high-density workloads", EuroSys 2018. Its
table bounds the longest delay for any behaviour of the other guests. Under `table`, responder and pinger each have a slot.
"""

from __future__ import annotations

from bulkhead import MIB, Guest, Machine
from bulkhead.experiment import (
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
    share_metric,
    small_guest,
    summary,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.model.planner import Reservation, Slot, plan

POLICIES = ("credit_sampled", "credit", "credit2", "eevdf", "rtds", "table")
FRAME_US = 10_000
RESPONDER_US = 2_000  # of each frame
SERVICE_US = 250  # of one ping: two wakes, 50 us of work, the pinger's part, switches


def slots(point: Point) -> dict[str, Slot]:
    """The timetable: a fifth for the responder, a tenth for the pinger, the rest for hogs and domain 0."""
    count = point.number("hogs")
    rest = (FRAME_US - RESPONDER_US - RESPONDER_US // 2) * 9 // 10
    wanted = [
        Reservation("web", RESPONDER_US, FRAME_US),
        Reservation("pinger", RESPONDER_US // 2, FRAME_US),
        *(Reservation(f"hog{i + 1}", rest // count, FRAME_US) for i in range(count)),
    ]
    return plan(wanted)


def reservation(point: Point, name: str) -> dict[str, int]:
    """The scheduler's domain parameters of a guest."""
    policy = point.text("sched")
    if policy == "table":
        return slots(point)[name].parameters()
    if policy == "rtds" and name in ("web", "pinger"):
        return {"budget": RESPONDER_US // (1 if name == "web" else 2), "period": FRAME_US}
    return {}


def machine(point: Point) -> Machine:
    """Responder, pinger, hogs on one pCPU."""

    def guest(name: str, workload: str, options: str = "") -> Guest:
        return small_guest(name, workload, options, sched=reservation(point, name))

    period = f"period_us={point.number('period_us')}"
    return Machine(
        guests=(
            guest("web", "responder", "peer=pinger"),
            guest("pinger", "pinger", f"peer=web {period}"),
            *(guest(f"hog{i + 1}", "cpu_hog") for i in range(point.number("hogs"))),
        ),
        sched=point.policy("sched"),
        memory=768 * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def bound(run: Observed) -> int:
    """The longest ping that the table allows [ns]: the waits of pinger, responder and pinger again, and the service."""
    table = slots(run.point)
    wait = 2 * table["pinger"].longest_wait_us + table["web"].longest_wait_us
    return (wait + SERVICE_US) * 1_000


def is_table(point: Point) -> bool:
    """Points that have a timetable."""
    return point.text("sched") == "table"


FIGURE = Lines(
    name="ping_tail",
    caption="Pings to a responder among hogs on one pCPU, timed from the due instant.",
    x="hogs",
    x_label="hogs beside responder and pinger",
    series="sched",
    panels=(
        Panel(
            path="latency.max",
            low="latency.p50",
            high="latency.max",
            quantity=Quantity("longest ping [ms]", factor=1e-6, log=True),
            title="response time",
        ),
    ),
)

EXPERIMENT = Experiment(
    name="ping_tail",
    title="Longest ping",
    question="How long can a ping take among many busy guests?",
    factors=(
        Factor("sched", "scheduler", POLICIES, ("credit", "credit2", "table"), Policies("scheduler")),
        Factor("hogs", "hogs beside responder and pinger", (4, 16), (4, 16), Whole(1, 48)),
    ),
    settings=(
        duration(full=2500, quick=1500),
        warm_up(full=900, quick=700),
        drain(full=300, quick=200),
        # No multiple of it falls together with a slot for long.
        Setting("period_us", "time between two pings", "us", 3130, 3130, 500, 1_000_000),
    ),
    machine=machine,
    metrics=(
        Metric(
            "latency",
            "ns",
            "response time: from the instant at which a ping was due to its reply (open loop)",
            lambda run: summary(run.open_loop("pinger")),
        ),
        Metric("bound", "ns", "the longest ping that the table allows", bound, is_table),
        share_metric(("web", "pinger")),
    ),
    comparisons=(),
    figures=(FIGURE,),
)
