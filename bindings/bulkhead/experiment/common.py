"""What several experiments declare alike: small guests, and the part of the pCPU time that guests ran."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bulkhead.base.units import MIB
from bulkhead.experiment.declare import Metric
from bulkhead.model.spec import Guest, WORKLOAD_PREFIX

SMALL_MEMORY = 4 * MIB


def small_guest(name: str, workload: str, options: str = "", /, **changes: Any) -> Guest:
    """A guest that runs a workload in as little memory as any of them needs; `changes` are fields of `Guest`."""
    values: dict[str, Any] = {"memory": SMALL_MEMORY, **changes}
    return Guest(name, WORKLOAD_PREFIX + workload, options, **values)


def share_metric(guests: Iterable[str] | None = None) -> Metric:
    """Metric `share`: part of all pCPU time that each of the guests ran; of all of them if none are named."""
    chosen = None if guests is None else tuple(guests)
    return Metric(
        "share",
        "1",
        "part of the pCPU time that each guest ran",
        lambda run: run.share(run.guests if chosen is None else chosen),
    )
