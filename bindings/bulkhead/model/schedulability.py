"""Do periodic demands fit into what a reservation supplies? Demand and supply bounds, exact in whole units of time.

The demand bound is that of Baruah, Mok and Rosier (RTSS 1990) for earliest deadline first; the supply bound of a server is
that of Shin and Lee's periodic resource model (RTSS 2003). Any unit serves, microseconds for instance, as long as it is the
same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import gcd, lcm

from bulkhead.base.errors import SpecError
from bulkhead.model.planner import Slot

Supply = Callable[[int], int]
MOST_WINDOWS = 1_000_000  # that `first_overload` looks at


@dataclass(frozen=True)
class Task:
    """`work` in every `period`, each within `deadline` of its release; 0: by the end of the period."""

    work: int
    period: int
    deadline: int = 0

    @property
    def due(self) -> int:
        """The time from a release to its deadline."""
        return self.deadline or self.period


@dataclass(frozen=True)
class Server:
    """A deferrable or periodic server: `budget` in every `period`."""

    budget: int
    period: int

    def supply(self, length: int) -> int:
        """The least that it gives in any window of that length in which it is wanted: the supply bound."""
        blackout = 2 * (self.period - self.budget)
        if length <= blackout:
            return max(0, length - blackout)
        whole, rest = divmod(length - blackout, self.period)
        return whole * self.budget + min(rest, self.budget)

    def as_task(self) -> Task:
        """What it asks of the pCPUs below it."""
        return Task(self.budget, self.period)


def dedicated(length: int) -> int:
    """The supply of a whole pCPU."""
    return length


def slot_supply(slots: Sequence[Slot]) -> Supply:
    """The least that slots, which do not overlap, give in any window of a length [us]. SpecError for too many."""
    whole = lcm(*(slot.period_us for slot in slots))
    count = sum(whole // slot.period_us for slot in slots)
    if count > MOST_WINDOWS:
        raise SpecError(f"the periods of the slots repeat together only after {whole} us; choose multiples")
    begins = sorted(
        ((slot.start_us + i * slot.period_us) % whole, slot.length_us)
        for slot in slots
        for i in range(whole // slot.period_us)
    )

    def given(until: int) -> int:
        """From 0 on; slots that reach over the end of the whole begin at its start again."""
        rounds, rest = divmod(until, whole)
        total = rounds * sum(length for _, length in begins)
        for begin, length in begins:
            total += min(max(rest - begin, 0), length) + max(0, min(rest, begin + length - whole))
        return total

    def supply(length: int) -> int:
        return min(given(begin + size + length) - given(begin + size) for begin, size in begins)

    return supply


def demand(tasks: Iterable[Task], length: int) -> int:
    """The most work with release and deadline in one window of that length: the demand bound."""
    return sum(((length - task.due) // task.period + 1) * task.work for task in tasks if length >= task.due)


def utilization(tasks: Iterable[Task]) -> Fraction:
    """Their part of one pCPU."""
    return sum((Fraction(task.work, task.period) for task in tasks), Fraction(0))


def first_overload(tasks: Sequence[Task], supply: Supply = dedicated) -> int | None:
    """The shortest window whose demand is more than the supply; None: earliest deadline first meets every deadline.

    Windows up to the tasks' common period after the longest deadline decide, if the supply keeps up with the demand over that
    period. SpecError if these are too many to look at.
    """
    common = lcm(*(task.period for task in tasks)) if tasks else 1
    longest = max((task.due for task in tasks), default=0)
    steps = sum((common + longest) // task.period + 1 for task in tasks)
    if steps > MOST_WINDOWS:
        raise SpecError(
            f"the periods repeat together only after {common}; choose multiples of {_hint(tasks)}"
        )
    ends = chain.from_iterable(range(task.due, 2 * common + longest + 1, task.period) for task in tasks)
    return next((end for end in sorted(set(ends)) if demand(tasks, end) > supply(end)), None)


def _hint(tasks: Sequence[Task]) -> int:
    return gcd(*(task.period for task in tasks))


def overlap(one: Slot, other: Slot) -> bool:
    """Whether two slots of a pCPU ever share an instant."""
    if one.pcpu != other.pcpu:
        return False
    common = gcd(one.period_us, other.period_us)
    ahead = (other.start_us - one.start_us) % common
    return ahead < one.length_us or common - ahead < other.length_us or ahead == 0
