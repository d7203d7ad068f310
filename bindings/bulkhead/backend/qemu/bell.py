"""A pipe that makes its writer wait: how QEMU stands still inside of an instruction (docs/decisions/0012-stops.md)."""

from __future__ import annotations

import fcntl
import os

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


class Bells:
    """Two bells in turn, the second one first: one is made ready while the machine waits at the other."""

    def __init__(self) -> None:
        self._pair = (Bell(), Bell())
        self.answered = 0

    @property
    def fds(self) -> tuple[int, ...]:
        """File descriptors that QEMU inherits, in the order of the ports."""
        return tuple(bell.fd for bell in self._pair)

    def answer(self) -> None:
        """Let the machine go on, to the next time that it rings."""
        self.answered += 1
        self._pair[(self.answered + 1) % 2].refill()
        self._pair[self.answered % 2].empty()

    def release(self) -> None:
        """Let a machine that is to be ended answer to its end."""
        for bell in self._pair:
            bell.empty()

    def close(self) -> None:
        """Nobody waits any more."""
        for bell in self._pair:
            bell.close()
