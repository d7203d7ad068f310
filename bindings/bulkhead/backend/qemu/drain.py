"""Takes the records out of trace rings that are full, while the machine stands still for it (abi/steering.hpp)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from bulkhead.backend.landmark import read_page, ring_records
from bulkhead.backend.qemu.bell import Bells
from bulkhead.backend.qemu.ram import Ram
from bulkhead.base.layouts import layout, part
from bulkhead.base.schema import constant
from bulkhead.model.machine import Machine


def can_drain(machine: Machine, accel: str) -> bool:
    """Whether a machine stands still, with its clock, while a ring is drained: only under a clock that counts."""
    return accel == "tcg" and machine.ns_per_instruction is not None


class Drain:
    """The records of a machine that were taken so far, by pCPU. Call `serve` often: the machine may be waiting."""

    def __init__(self, ram: Ram) -> None:
        self._ram = ram
        self.bells = Bells()
        self._taken: defaultdict[int, list[npt.NDArray[Any]]] = defaultdict(list)
        self._count, offset = part(layout("landmark.Page"), "drains")
        self._at = constant("landmark.physical_address") + offset

    @property
    def _waits(self) -> bool:
        raw = self._ram.read(self._at, self._count.itemsize)
        return int(np.frombuffer(raw, dtype=self._count)[0]) == self.bells.answered + 1

    def serve(self) -> bool:
        """Drain the ring that the machine waits for, if it waits; True if it did."""
        if not self._waits:
            return False
        page = read_page(self._ram)
        pcpu = int(page["draining"])
        if pcpu >= constant("landmark.max_pcpus"):
            raise ValueError(f"pCPU {pcpu} cannot have a full trace ring")
        self._taken[pcpu].append(ring_records(page["rings"][pcpu], self._ram))
        self.bells.answer()
        return True

    def before(self, pcpu: int, ring: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A pCPU's whole trace: what was taken, and then what its ring still holds."""
        return np.concatenate([*self._taken[pcpu], ring]) if self._taken[pcpu] else ring
