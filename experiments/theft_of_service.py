"""Theft of service: an attacker that sleeps through every tick, and a victim of the same weight that never sleeps.

After Zhou et al., "Scheduler vulnerabilities and coordinated attacks in cloud computing", 2011.
"""

from __future__ import annotations

from bulkhead import Machine
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Point,
    Policies,
    duration,
    entitlement_metric,
    fairness_metric,
    share_metric,
    skew_metric,
    small_guest,
    summary,
    wake_metric,
    warm_up,
)
from bulkhead.figures import Bars, Quantity
from bulkhead.metrics import mark_values

GUESTS = ("attacker", "victim")
POLICIES = (
    "round_robin",
    "credit_sampled",
    "credit",
    "credit2",
    "bvt",
    "stride",
    "eevdf",
    "pinned",
    "rtds",
    "table",
)


def machine(point: Point) -> Machine:
    """Two guests of one weight on one pCPU."""
    return Machine(
        guests=(
            small_guest("attacker", "tick_dodger"),
            small_guest("victim", "compute"),
        ),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


METRICS = (
    share_metric(GUESTS),
    entitlement_metric(GUESTS),
    Metric(
        "throughput",
        "op/s",
        "operations per second of each guest",
        lambda run: {name: run.progress(name).per_second for name in GUESTS},
    ),
    Metric(
        "nap",
        "ns",
        "length of each of the attacker's sleeps, by its own clock",
        lambda run: summary(mark_values(run.marks("attacker", "slept"), run.window)),
    ),
    wake_metric("attacker"),
    skew_metric("victim"),
    fairness_metric(GUESTS),
)

FIGURE = Bars(
    name="theft_of_service",
    caption=(
        "An attacker that runs until just before each 10 ms tick and then sleeps, against a victim of the same weight "
        "that always computes, on one pCPU. Dashed: the entitlement of each."
    ),
    groups="sched",
    bars=(("share.attacker", "attacker"), ("share.victim", "victim")),
    quantity=Quantity("share of the CPU"),
    line=("entitlement.attacker", "entitlement"),
)

EXPERIMENT = Experiment(
    name="theft_of_service",
    title="Theft of service",
    question="How much more CPU time than its share does a guest get that sleeps through every tick?",
    factors=(
        Factor(
            "sched",
            "scheduler",
            POLICIES,
            ("round_robin", "credit", "credit_sampled"),
            Policies("scheduler"),
        ),
    ),
    settings=(duration(full=4000, quick=1000), warm_up(full=500, quick=300)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
)
