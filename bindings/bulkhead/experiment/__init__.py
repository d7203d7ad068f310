"""Experiments: declared in `experiments/`, carried out here. `run_experiment(Request(name))` does everything."""

from bulkhead.experiment.common import (
    entitlement_metric,
    fairness_metric,
    read_metrics,
    response_metric,
    share_metric,
    skew_metric,
    small_guest,
    throughput_metric,
    wake_metric,
)
from bulkhead.experiment.declare import (
    Choice,
    Comparison,
    Experiment,
    Factor,
    MedianComparison,
    Metric,
    Policies,
    Setting,
    Settling,
    Whole,
    drain,
    duration,
    warm_up,
)
from bulkhead.experiment.find import find
from bulkhead.experiment.observe import Observed, summary
from bulkhead.experiment.point import BACKEND, Point

__all__ = [
    "BACKEND",
    "Choice",
    "Comparison",
    "Experiment",
    "Factor",
    "MedianComparison",
    "Metric",
    "Observed",
    "Point",
    "Policies",
    "Setting",
    "Settling",
    "Whole",
    "drain",
    "duration",
    "entitlement_metric",
    "fairness_metric",
    "find",
    "read_metrics",
    "response_metric",
    "share_metric",
    "skew_metric",
    "small_guest",
    "summary",
    "throughput_metric",
    "wake_metric",
    "warm_up",
]
