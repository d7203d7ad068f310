"""The interval in which a sampled count lies with a given probability."""

from __future__ import annotations

import math


def central_interval(draws: int, part: float, level: float = 0.95) -> tuple[int, int]:
    """Smallest and largest count of hits that `draws` independent draws may give, if `part` (0..1) of all would hit.

    Fewer hits, and more, have a probability of at most (1 - level) / 2 each: the quantiles of the binomial distribution.
    """
    if part <= 0 or part >= 1:
        return (0, 0) if part <= 0 else (draws, draws)
    tail = (1 - level) / 2
    below, low, high = 0.0, -1, draws
    logs = math.log(part), math.log1p(-part)
    for hits in range(draws + 1):
        ways = math.lgamma(draws + 1) - math.lgamma(hits + 1) - math.lgamma(draws - hits + 1)
        below += math.exp(ways + hits * logs[0] + (draws - hits) * logs[1])
        if low < 0 and below > tail:
            low = hits
        if below >= 1 - tail:
            high = hits
            break
    return low, high
