"""Allocation error against the length of the window: how exact is a share over 1 ms, 10 ms, 100 ms?

After Cherkasova, Gupta, Vahdat, "Comparison of the three CPU schedulers in Xen", Performance Evaluation Review 2007.
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
    duration,
    share_metric,
    small_guest,
    warm_up,
)
from bulkhead.figures import Bars, Quantity

WEIGHTS = {"small": 256, "large": 768}
WINDOWS_MS = (3, 10, 30, 100, 300)
POLICIES = ("credit_sampled", "credit", "credit2", "bvt", "stride", "eevdf")
NS_PER_MS = 1_000_000


def machine(point: Point) -> Machine:
    """Two guests that always compute, weights 1:3, on one pCPU."""
    return Machine(
        guests=tuple(small_guest(name, "compute", weight=weight) for name, weight in WEIGHTS.items()),
        sched=point.policy("sched"),
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
    )


def error(run: Observed) -> dict[str, float | None]:
    """Largest |entitled - received| of the small guest within any window of each length, in per cent of the window."""
    lags = run.lag_by_window("small", WINDOWS_MS)
    return {ms: None if lag is None else 100.0 * lag / (int(ms) * NS_PER_MS) for ms, lag in lags.items()}


FIGURE = Bars(
    name="allocation_error",
    caption=(
        "Two guests that always compute, weights 1:3, on one pCPU. The small guest's largest difference between "
        "received and entitled time in any window of a given length, in per cent of the window."
    ),
    groups="sched",
    bars=tuple((f"error.{ms}", f"{ms} ms window") for ms in WINDOWS_MS),
    quantity=Quantity("largest error [% of window]", log=True),
)

EXPERIMENT = Experiment(
    name="allocation_error",
    title="Allocation error",
    question="How far from its share is a guest over short and long windows?",
    factors=(Factor("sched", "scheduler", POLICIES, POLICIES, Policies("scheduler")),),
    settings=(duration(full=2000, quick=1000), warm_up(full=200, quick=200)),
    machine=machine,
    metrics=(
        Metric("error", "%", "largest |entitled - received| in any window of the given length in ms", error),
        share_metric(WEIGHTS),
    ),
    comparisons=(),
    figures=(FIGURE,),
    samples=10,  # on the hypervisor, credit errs by 10 % of 10 ms in some phases and by 25 % in others
)
