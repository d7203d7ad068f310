"""Which points get more samples: those whose first ones are further apart than their experiment takes for settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bulkhead.experiment.archive import Captured
from bulkhead.experiment.capture import Batch
from bulkhead.experiment.normalise import normalise
from bulkhead.experiment.plan import Plan


def more_samples(batch: Batch, plan: Plan, captures: Sequence[Captured]) -> Batch | None:
    """The further samples of the points of `batch` whose `captures` are apart; None if there are none.

    A plan of one sample never gets more: nothing says how far its samples are apart.
    """
    settling = plan.experiment.settling
    if settling is None or not 1 < plan.samples < settling.most:
        return None
    metrics: dict[str, list[Mapping[str, Any]]] = {}
    for captured in captures:
        if captured.repeat == 0:
            numbers = captured.numbers or normalise(plan.experiment, captured)
            metrics.setdefault(captured.point.label, []).append(numbers.metrics)
    apart = [point for point in batch.points if settling.apart(metrics[point.label])]
    return replace(batch, points=apart, first=plan.samples, samples=settling.most) if apart else None
