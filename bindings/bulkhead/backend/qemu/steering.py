"""Gives orders to domain 0 while its machine stands still at a stop (abi/steering.hpp, docs/decisions/0012-stops.md).

The machine rings a doorbell, a port whose device writes a byte into a pipe. The pipe is full, so QEMU waits inside of that
very instruction, with all processors and the clock, until the orders are written and the pipe is emptied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bulkhead.backend.course import Course
from bulkhead.backend.protocol import Answer
from bulkhead.backend.qemu.bell import Bells
from bulkhead.backend.qemu.manifest import ordered_policy, write_entry
from bulkhead.backend.qemu.ram import Ram
from bulkhead.base.errors import SpecError
from bulkhead.base.layouts import layout, part
from bulkhead.base.schema import constant
from bulkhead.model.machine import Machine
from bulkhead.model.spec import TimelineEntry
from bulkhead.model.timeline import batches
from bulkhead.policy.choose import choose


class Steering:
    """The steering page of a machine, and its bells."""

    def __init__(self, machine: Machine, ram: Ram) -> None:
        self._machine, self._ram = machine, ram
        self._course = Course(machine)
        for entry in batches(machine.timeline)[0]:
            self._course.follow(entry)
        self.bells = Bells()
        self._page = layout("steering.Page")
        self._at = constant("steering.physical_address")
        self._orders = part(self._page, "orders")[1]

    def _head(self) -> Any:
        head = self._page["head"]
        return np.frombuffer(self._ram.read(self._at, head.itemsize), dtype=head)[0]

    @property
    def waits(self) -> bool:
        """Whether the machine stands still."""
        return int(self._head()["stops"]) == self.bells.answered + 1

    @property
    def at(self) -> int:
        """When the last stop was, ns since the guests were built."""
        return int(self._head()["at"])

    def answers(self) -> list[Answer]:
        """The outcomes of the last batch, while the machine stands still: of its orders before the stop."""
        order = self._page["orders"].base
        count = min(int(self._head()["played"]), constant("steering.max_orders"))
        rows = np.frombuffer(self._ram.read(self._at + self._orders, count * order.itemsize), dtype=order)
        return [Answer(int(row["done_at"]), int(row["result"])) for row in rows]

    def proceed(self, batch: Sequence[TimelineEntry]) -> None:
        """Let the machine go on with these entries, in order of time. SpecError if they are too many for one stop."""
        most = constant("steering.max_orders")
        if len(batch) > most:
            raise SpecError(
                f"timeline: {len(batch)} entries follow one stop, more than {most}; put a stop between them"
            )
        rows = np.zeros(len(batch), dtype=self._page["orders"].base)
        for row, entry in zip(rows, batch):
            self._write(row, entry)
        self._ram.write(self._at + self._orders, rows.tobytes())
        count, offset = part(self._page["head"], "count")
        self._ram.write(self._at + offset, np.array(len(batch), dtype=count).tobytes())
        self.bells.answer()

    def _write(self, row: Any, entry: TimelineEntry) -> None:
        if entry.policy is None:
            return write_entry(row["entry"], entry, self._course, 0)
        values = choose(entry.kind, entry.policy).values
        row["parameters"][: len(values)] = values
        write_entry(
            row["entry"], entry, self._course, ordered_policy(self._machine, entry.kind, entry.policy)
        )
