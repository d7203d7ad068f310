"""Fan-out: the gain of an attacker that brings more vCPUs. With weight per domain it is zero."""

from __future__ import annotations

from bulkhead import Machine
from bulkhead.experiment import (
    Experiment,
    Factor,
    Point,
    Policies,
    Whole,
    duration,
    entitlement_metric,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Heat, Panel, Quantity

GUESTS = ("victim", "attacker")
QUICK = ("round_robin", "credit", "credit2", "bvt", "stride", "eevdf")
POLICIES = (*QUICK, "credit_sampled", "pinned", "rtds", "table")


def machine(point: Point) -> Machine:
    """A victim with one vCPU and an attacker of the same weight with many, all of them busy, on one pCPU."""
    vcpus = point.number("vcpus")
    return Machine(
        guests=(
            small_guest("victim", "compute", "mark_ops=50"),
            small_guest("attacker", "cpu_hog", "all_vcpus=1", vcpus=vcpus),
        ),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


FIGURE = Heat(
    name="fan_out",
    caption=(
        "A victim with one vCPU against an attacker of the same weight with 1 to 8, all of them busy, on one pCPU. "
        "One half is right, for any number of vCPUs."
    ),
    rows="sched",
    columns="vcpus",
    x_label="vCPUs of the attacker",
    panels=(Panel("share.victim", Quantity("part of the pCPU time"), "victim's share"),),
)

EXPERIMENT = Experiment(
    name="fan_out",
    title="Fan-out",
    question="How much of its share does a victim lose to an attacker that brings more vCPUs?",
    factors=(
        Factor("sched", "scheduler", POLICIES, QUICK, Policies("scheduler")),
        Factor("vcpus", "vCPUs of the attacker", (1, 2, 4, 8), (1, 2, 8), Whole(1, 32)),
    ),
    settings=(duration(full=1200, quick=700), warm_up(full=200, quick=200)),
    machine=machine,
    metrics=(
        share_metric(GUESTS),
        entitlement_metric(GUESTS),
    ),
    comparisons=(),
    figures=(FIGURE,),
)
