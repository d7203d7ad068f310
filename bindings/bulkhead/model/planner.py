"""Plans timetables for the policy `table`: the owner of each pCPU over time, so that every task meets its deadlines.

Every domain of a pCPU gets one slot in a common frame, as long as its part of the frame. A window as long as k frames then
holds exactly k slots, whatever its phase. So a task whose period is a multiple of the frame gets its work done in every
period. The plan fits as long as the parts add up to no more than the frame. The idea of small common frames is that of
DP-Fair (Levin et al., ECRTS 2010); spreading domains over pCPUs first, that of partitioned scheduling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from bulkhead.base.errors import SpecError

LEAST_SLOT_US = 100  # shorter ones are lost in switches


@dataclass(frozen=True)
class Reservation:
    """Needs of a domain: `work_us` of CPU time in every `period_us`, and to wait no longer than `delay_us` (0: no matter)."""

    name: str
    work_us: int
    period_us: int
    delay_us: int = 0


@dataclass(frozen=True)
class Slot:
    """`length_us` on a pCPU from `start_us` on, in every `period_us`."""

    start_us: int
    length_us: int
    period_us: int
    pcpu: int

    @property
    def longest_wait_us(self) -> int:
        """The longest that its owner can be kept from running."""
        return self.period_us - self.length_us

    def parameters(self) -> dict[str, int]:
        """As the domain parameters of `table`."""
        return {"start": self.start_us, "length": self.length_us, "period": self.period_us, "pcpu": self.pcpu}


def _frame(reservations: Sequence[Reservation]) -> int:
    """The longest frame [us] that divides every period and keeps every delay."""
    whole = gcd(*(r.period_us for r in reservations))
    for parts in range(1, whole // LEAST_SLOT_US + 1):
        if whole % parts:
            continue
        frame = whole // parts
        if all(not r.delay_us or frame - _length(r, frame) <= r.delay_us for r in reservations):
            return frame
    raise SpecError(
        f"table: the periods {sorted({r.period_us for r in reservations})} us and delays have no common frame of at least "
        f"{LEAST_SLOT_US} us; give periods with a larger common divisor, or allow longer delays"
    )


def _length(reservation: Reservation, frame: int) -> int:
    """Its part of a frame, rounded up to whole us."""
    return max(LEAST_SLOT_US, -(-reservation.work_us * frame // reservation.period_us))


def _spread(reservations: Sequence[Reservation], pcpus: int) -> list[list[Reservation]]:
    """Largest part first, each to the pCPU with most room."""
    groups: list[list[Reservation]] = [[] for _ in range(pcpus)]
    used = [0.0] * pcpus
    for reservation in sorted(reservations, key=lambda r: r.work_us / r.period_us, reverse=True):
        pcpu = used.index(min(used))
        groups[pcpu].append(reservation)
        used[pcpu] += reservation.work_us / reservation.period_us
    return groups


def plan(reservations: Sequence[Reservation], pcpus: int = 1) -> dict[str, Slot]:
    """A slot for each reservation, by name. SpecError, with what is too much, if they do not fit."""
    slots: dict[str, Slot] = {}
    for pcpu, group in enumerate(_spread(reservations, pcpus)):
        if not group:
            continue
        frame, start = _frame(group), 0
        for reservation in group:
            length = _length(reservation, frame)
            slots[reservation.name] = Slot(start, length, frame, pcpu)
            start += length
        if start > frame:
            raise SpecError(
                f"table: the reservations of pCPU {pcpu} need {start} us in every {frame} us; ask for less, or give more pCPUs"
            )
    return slots
