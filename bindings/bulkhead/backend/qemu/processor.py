"""A processor of the host for each QEMU that counts instructions.

Such a QEMU works in one thread, and wakes its main thread at each end of a turn, for nothing. On a processor of its own
that thread contends for QEMU's lock at once; on the same one it waits until the other sleeps.
"""

from __future__ import annotations

import contextlib
import os
import socket


class Processor:
    """One that no other QEMU of this project was given, as long as this lives.

    A claim is a socket of an abstract name, for all users of the machine. The kernel drops it with the process.
    """

    def __init__(self, number: int, claim: socket.socket) -> None:
        self.number = number
        self._claim = claim

    def give(self, pid: int) -> None:
        """Run a process there, with the threads that it will start. A system that refuses is only slower."""
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {self.number})

    def close(self) -> None:
        """Others may have it."""
        self._claim.close()


def claim() -> Processor | None:
    """The first free one of those that this process may use. None if all are taken, or if there is one alone."""
    usable = sorted(os.sched_getaffinity(0))
    for number in usable if len(usable) > 1 else ():
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0bulkhead-processor-{number}")
        except OSError:
            held.close()
        else:
            return Processor(number, held)
    return None
