"""Many guests: what one more costs. Each is as small as can be and has a little to do ten times a second.

A cost that grows with the number of guests shows as a line that rises: building a guest, a decision of the scheduler, the
longest time that an interrupt waits, the hypervisor's memory. With a thousand of them a pCPU is about half busy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bulkhead import MIB, Machine
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
from bulkhead.figures import Lines, Panel, Quantity
from bulkhead.metrics.trace import int64

SHARED = ("round_robin", "credit", "credit2", "bvt", "stride", "eevdf")
GUEST_BYTES = MIB  # of the smallest guest
TASK = "period_us=100000 work_us=50"
AT_AN_END = 9  # times between the creations of the first ten guests, and of the last ten
PAGE_BYTES = 4096


def machine(point: Point) -> Machine:
    """Guests of one vCPU and equal weight on one pCPU."""
    return Machine(
        guests=tuple(
            small_guest(f"guest{i}", "periodic", TASK, memory=GUEST_BYTES)
            for i in range(point.number("guests"))
        ),
        sched=point.policy("sched"),
        memory=max(512, 2 * point.number("guests")) * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def build(run: Observed) -> dict[str, float]:
    """Time from the creation of a guest to that of the next one [ns]: the median of nine such times at either end."""
    took = np.diff(int64(run.trace.of("domain_create")["time"]))[-(run.point.number("guests") - 1) :]
    return {"first": float(np.median(took[:AT_AN_END])), "last": float(np.median(took[-AT_AN_END:]))}


def memory(run: Observed) -> float:
    """Bytes of the hypervisor for each guest: what is neither free nor owned by a domain, less what it had at boot."""
    landmark = run.run.landmark
    owned = sum(row.frames_owned for row in landmark.ledger.values())
    own = landmark.free_frames_at_boot - landmark.free_frames - owned
    return own * PAGE_BYTES / run.point.number("guests")


def decision(run: Observed) -> float:
    """Mean time of a call of the scheduler [ns]."""
    scheduler = next(policy for policy in run.run.landmark.policies if policy.kind == "scheduler")
    return scheduler.hook_ns / scheduler.hook_calls


def longest(run: Observed) -> dict[str, Any]:
    """The longest section in which no interrupt is taken, and the longest call of the scheduler [ns]."""
    landmark = run.run.landmark
    hook = max(policy.hook_max_ns for policy in landmark.policies if policy.kind == "scheduler")
    return {"section": landmark.r_max.ns, "hook": hook}


FIGURE = Lines(
    name="many_guests",
    caption=(
        "Guests of 1 MiB that compute for 50 us ten times a second, on one pCPU. (a) Time to build the last ten of them, "
        "each. (b) Mean time of a call of the scheduler. (c) Longest section of the hypervisor without an "
        "interrupt. (d) Memory of the hypervisor for each guest."
    ),
    x="guests",
    x_label="guests",
    series="sched",
    panels=(
        Panel("build.last", Quantity("to build one [ms]", factor=1e-6), "(a) building"),
        Panel("decision", Quantity("a call [us]", factor=1e-3), "(b) the scheduler"),
        Panel("longest.section", Quantity("R_max [us]", factor=1e-3), "(c) interrupts"),
        Panel("memory", Quantity("each [KiB]", factor=1 / 1024), "(d) memory"),
    ),
)

EXPERIMENT = Experiment(
    name="many_guests",
    title="Many guests",
    question="What does a guest cost when there are a thousand of them?",
    factors=(
        Factor("sched", "scheduler", SHARED, ("round_robin", "credit"), Policies("scheduler")),
        Factor("guests", "number of guests", (10, 100, 300, 1000), (10, 40), Whole(2, 4000)),
    ),
    settings=(duration(full=6000, quick=400), warm_up(full=5000, quick=200)),
    machine=machine,
    metrics=(
        Metric("build", "ns", "from the creation of a guest to the next one's: first ten, last ten", build),
        Metric("decision", "ns", "mean time of a call of the scheduler", decision),
        Metric(
            "longest", "ns", "longest section without an interrupt, longest call of the scheduler", longest
        ),
        Metric("memory", "B", "memory of the hypervisor for each guest", memory),
    ),
    comparisons=(),
    figures=(FIGURE,),
    hypervisor_only="the simulator builds no guests and has no sections",
)
