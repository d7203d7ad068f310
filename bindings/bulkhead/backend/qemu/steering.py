"""Gives orders to domain 0 while its machine stands still at a stop (abi/steering.hpp, docs/decisions/0012-stops.md).

The machine rings a doorbell, a port whose device writes a byte into a pipe. The pipe is full, so QEMU waits inside of that
very instruction, with all processors and the clock, until the orders are written and the pipe is emptied.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from bulkhead.backend.protocol import Answer
from bulkhead.backend.qemu.manifest import ordered_policy, write_entry
from bulkhead.backend.qemu.ram import Ram
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant, layout, part
from bulkhead.model.machine import Machine
from bulkhead.model.spec import TimelineEntry
from bulkhead.policy.choose import choose

PIPE_BYTES = 4096


class Bell:
    """A full pipe. `fd` is the end that QEMU inherits and writes to."""

    def __init__(self) -> None:
        self._out, self.fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.refill()

    def empty(self) -> None:
        """Let the waiting writer write."""
        try:
            while os.read(self._out, PIPE_BYTES):
                pass
        except BlockingIOError:
            pass

    def refill(self) -> None:
        """Make the next writer wait. No writer may be under way."""
        self.empty()
        try:
            while os.write(self.fd, bytes(PIPE_BYTES)):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Let go of every waiting writer."""
        os.close(self._out)
        os.close(self.fd)


class Steering:
    """The steering page of a machine, and its two bells. `answered` stops are over."""

    def __init__(self, machine: Machine, ram: Ram) -> None:
        self._machine, self._ram = machine, ram
        self._bells = (Bell(), Bell())
        self._page = layout("steering.Page")
        self._at = constant("steering.physical_address")
        self._orders = part(self._page, "orders")[1]
        self.answered = 0

    @property
    def fds(self) -> tuple[int, ...]:
        """File descriptors that QEMU inherits, in the order of the ports."""
        return tuple(bell.fd for bell in self._bells)

    def _head(self) -> Any:
        head = self._page["head"]
        return np.frombuffer(self._ram.read(self._at, head.itemsize), dtype=head)[0]

    @property
    def waits(self) -> bool:
        """Whether the machine stands still."""
        return int(self._head()["stops"]) == self.answered + 1

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
        self.answered += 1
        self._bells[(self.answered + 1) % 2].refill()  # the one of the next stop
        self._bells[self.answered % 2].empty()

    def _write(self, row: Any, entry: TimelineEntry) -> None:
        if entry.policy is None:
            return write_entry(row["entry"], entry, self._machine, 0)
        values = choose("scheduler", entry.policy).values
        row["parameters"][: len(values)] = values
        write_entry(row["entry"], entry, self._machine, ordered_policy(self._machine, entry.policy))

    def release(self) -> None:
        """Let a machine that is to be ended answer to its end."""
        for bell in self._bells:
            bell.empty()

    def close(self) -> None:
        """No more orders."""
        for bell in self._bells:
            bell.close()
