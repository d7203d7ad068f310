"""Shares by weight: four guests that always compute, with weights 1:2:4:8.

After Barham et al., "Xen and the Art of Virtualization", SOSP 2003, figures 4 and 5, where shares follow weights within 4 %.
"""

from __future__ import annotations

from bulkhead import Machine
from bulkhead.experiment import (
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Policies,
    Whole,
    duration,
    fairness_metric,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Bars, Quantity

WEIGHTS = (128, 256, 512, 1024)
GUESTS = tuple(f"w{weight}" for weight in WEIGHTS)


def machine(point: Point) -> Machine:
    """One guest of each weight. On several pCPUs a guest has as many vCPUs as pCPUs, so that every weight can be used."""
    pcpus = point.number("pcpus")
    return Machine(
        guests=tuple(
            small_guest(name, "cpu_hog", "all_vcpus=1", vcpus=pcpus, weight=weight)
            for name, weight in zip(GUESTS, WEIGHTS)
        ),
        sched=point.policy("sched"),
        pcpus=pcpus,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def received(run: Observed) -> dict[str, float]:
    """Each guest's part of the time that all guests ran."""
    shares = run.share(GUESTS)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def due(run: Observed) -> dict[str, float]:
    """The part of that time that each guest is due."""
    return {name: weight / sum(WEIGHTS) for name, weight in zip(GUESTS, WEIGHTS)}


def error(run: Observed) -> float:
    """The largest |received / due - 1| of the guests."""
    return max(abs(part / due(run)[name] - 1.0) for name, part in received(run).items())


METRICS = (
    Metric("received", "1", "part of the time that all guests ran", received),
    Metric("due", "1", "part that the weights give", due),
    Metric("error", "1", "largest |received / due - 1| of the guests", error),
    share_metric(GUESTS),
    fairness_metric(GUESTS),
)


def figure(name: str, pcpus: int, machine: str) -> Bars:
    """The shares on so many pCPUs."""
    return Bars(
        name=name,
        caption=(
            f"Four guests that always compute, weights 1:2:4:8, {machine}. Dashed: the part of the largest weight (8/15). "
            "round_robin ignores weights."
        ),
        groups="sched",
        bars=tuple((f"received.{name}", f"weight {weight}") for name, weight in zip(GUESTS, WEIGHTS)),
        quantity=Quantity("part of the CPU time"),
        line=(f"due.{GUESTS[-1]}", "8/15"),
        where={"pcpus": pcpus},
    )


FIGURES = (
    figure("weights", 1, "one pCPU"),
    figure("weights_2pcpus", 2, "two pCPUs, two vCPUs each"),
)

PROPORTIONAL = ("round_robin", "credit_sampled", "credit", "credit2", "bvt", "stride", "eevdf")

EXPERIMENT = Experiment(
    name="weights",
    title="Shares by weight",
    question="Does each guest get the part of the CPU of its weight?",
    factors=(
        Factor("sched", "scheduler", PROPORTIONAL, PROPORTIONAL, Policies("scheduler")),
        Factor("pcpus", "pCPUs, and vCPUs of each guest", (1, 2), (1, 2), Whole(1, 8)),
    ),
    settings=(duration(full=1200, quick=1200), warm_up(full=200, quick=200)),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=FIGURES,
)
