"""How evenly domains were served, relative to what each was entitled to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from bulkhead.metrics.fluid import Fluid


def service_ratios(fluid: Fluid, domains: Iterable[int]) -> dict[int, float]:
    """Received / entitled over the window; 1 is exactly the ideal. Domains entitled to nothing are left out."""
    totals = {domain: fluid.total(domain) for domain in domains}
    return {domain: got / due for domain, (due, got) in totals.items() if due > 0}


def jain(ratios: Mapping[int, float] | Iterable[float]) -> float | None:
    """Jain's fairness index (sum x)^2 / (n sum x^2): 1 when all are equal, 1/n when one has everything; None for no domain.

    It hides a single starved guest among many, so look at the least ratio too. Source: Jain, Chiu and Hawe, DEC-TR-301, 1984.
    """
    values = list(ratios.values()) if isinstance(ratios, Mapping) else list(ratios)
    squares = math.fsum(value * value for value in values)
    if not squares:
        return None
    return math.fsum(values) ** 2 / (len(values) * squares)
