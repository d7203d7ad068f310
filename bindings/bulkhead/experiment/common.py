"""Common declarations of several experiments: small guests, and the metrics that more than one of them takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bulkhead.base.units import MIB
from bulkhead.experiment.declare import Metric
from bulkhead.experiment.observe import Observed, summary
from bulkhead.experiment.point import Point
from bulkhead.model.spec import WORKLOAD_PREFIX, Guest

SMALL_MEMORY = 4 * MIB
When = Callable[[Point], bool]


def small_guest(name: str, workload: str, options: str = "", /, **changes: Any) -> Guest:
    """A guest that runs a workload in as little memory as any of them needs; `changes` are fields of `Guest`."""
    values: dict[str, Any] = {"memory": SMALL_MEMORY, **changes}
    return Guest(name, WORKLOAD_PREFIX + workload, options, **values)


def always(point: Point) -> bool:
    """Every point."""
    return True


def _of(guests: Iterable[str] | None) -> Callable[[Observed], tuple[str, ...]]:
    """Those guests, or all guests of the run if none are named."""
    chosen = None if guests is None else tuple(guests)
    return lambda run: run.guests if chosen is None else chosen


def share_metric(guests: Iterable[str] | None = None) -> Metric:
    """Metric `share`: part of all pCPU time that each of the guests ran; of all of them if none are named."""
    chosen = _of(guests)
    return Metric(
        "share", "1", "part of the pCPU time that each guest ran", lambda run: run.share(chosen(run))
    )


def entitlement_metric(guests: Iterable[str] | None = None) -> Metric:
    """Metric `entitlement`: part of all pCPU time that weights, caps and vCPUs give to each of the guests."""
    chosen = _of(guests)
    help_text = "part of the pCPU time that each guest is due when all want to run"
    return Metric("entitlement", "1", help_text, lambda run: run.entitlement(chosen(run)))


def fairness_metric(guests: Iterable[str] | None = None) -> Metric:
    """Metric `fairness`: how evenly the guests received what they were entitled to."""
    chosen = _of(guests)
    help_text = "received / entitled in the fluid schedule over the guests: Jain's index and the least"
    return Metric("fairness", "1", help_text, lambda run: run.fairness(chosen(run)))


def skew_metric(guest: str) -> Metric:
    """Metric `skew`: how far a guest is from its weighted fluid schedule."""
    help_text = f"{guest}: progress skew, largest |lag|, longest gap and wait"
    return Metric("skew", "ns", help_text, lambda run: run.skew(guest))


def throughput_metric(guest: str, when: When = always) -> Metric:
    """Metric `throughput`: what a guest marked as done."""
    help_text = f"operations of the {guest} per second"
    return Metric("throughput", "op/s", help_text, lambda run: run.progress(guest).per_second, when)


def response_metric(sender: str, when: When = always) -> Metric:
    """Metric `latency`: the open-loop response time of a guest's requests."""
    help_text = (
        f"response time: from the instant at which a request was due to its reply at the {sender} (open loop)"
    )
    return Metric("latency", "ns", help_text, lambda run: summary(run.open_loop(sender)), when)


def read_metrics(guest: str) -> tuple[Metric, ...]:
    """Metrics `latency` and `iops`: the open-loop response time of a guest's reads, and their rate."""
    help_text = (
        f"response time: from the instant at which the {guest}'s read was due to its completion (open loop)"
    )
    return (
        Metric("latency", "ns", help_text, lambda run: summary(run.open_loop(guest))),
        Metric("iops", "1/s", f"reads of the {guest} per second", lambda run: run.progress(guest).per_second),
    )


def wake_metric(guest: str) -> Metric:
    """Metric `wake_to_run`: what a guest's vCPUs waited after each wake."""
    return Metric(
        "wake_to_run", "ns", f"{guest}: wake to run_in", lambda run: summary(run.wake_to_run(guest))
    )
