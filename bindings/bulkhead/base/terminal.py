"""A guest's console as an interactive terminal: keys go in, bytes come out. Gives the user's terminal back as it was."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import termios
import threading
import tty
from types import TracebackType

HANG_UP = b"\x1d"  # Ctrl-], as telnet has it
ESCAPED = re.compile(rb"\\([0-9a-f]{2})")
# Strings to the terminal itself (titles, clipboard, keys): no guest may send those.
STRING_START, STRING_END = re.compile(rb"\x1b[]PX^_]|\xc2[\x90\x98\x9d-\x9f]"), re.compile(rb"\x07|\x1b\\|\n")


def unescape(text: bytes) -> bytes:
    """The bytes of a record of the serial line."""
    return ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text)


class Screen:
    """Filters a guest's bytes for the user's terminal: all pass but strings for the terminal itself."""

    def __init__(self) -> None:
        self._held = b""
        self._inside = False

    def show(self, data: bytes) -> bytes:
        """The part that may be written. An escape at the end waits for what follows it."""
        data, self._held, shown = self._held + data, b"", b""
        while data:
            found = (STRING_END if self._inside else STRING_START).search(data)
            if found is None:
                keep = 1 if data.endswith(b"\x1b") else 0
                self._held = data[len(data) - keep :]
                return shown if self._inside else shown + data[: len(data) - keep]
            shown += b"" if self._inside else data[: found.start()]
            data, self._inside = data[found.end() :], not self._inside
        return shown


class Line:
    """Both ends of the machine's serial line. `fd` is QEMU's; what QEMU sends is dropped, since it also logs it."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def fd(self) -> int:
        """The file descriptor that QEMU inherits."""
        return self._theirs.fileno()

    def type(self, keys: bytes) -> None:
        """Send to the guest; waits as long as the guest does not read."""
        try:
            self._ours.sendall(keys)
        except OSError:
            pass  # the machine is gone

    def _drain(self) -> None:
        try:
            while self._ours.recv(65536):
                pass
        except OSError:
            pass

    def close(self) -> None:
        """End of the line."""
        for end in (self._ours, self._theirs):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


class Terminal:
    """The user's terminal in raw mode for as long as the context lasts. `hung_up` once the user pressed Ctrl-]."""

    def __init__(self) -> None:
        self.line = Line()
        self.hung_up = False
        self._screen = Screen()
        self._keyboard, self._old = sys.stdin.fileno(), termios.tcgetattr(sys.stdin.fileno())
        self._stop_reader, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._read_keys, daemon=True)

    def show(self, data: bytes) -> None:
        """Bytes of the guest."""
        os.write(sys.stdout.fileno(), self._screen.show(data))

    def _read_keys(self) -> None:
        while True:
            ready = select.select([self._keyboard, self._stop_reader], [], [])[0]
            keys = b"" if self._stop_reader in ready else os.read(self._keyboard, 1024)
            before, key, _ = keys.partition(HANG_UP)
            if before:
                self.line.type(before)
            if key or not keys:
                self.hung_up = True
                return

    def __enter__(self) -> Terminal:
        print("Connected; Ctrl-] ends the run.", file=sys.stderr)
        tty.setraw(self._keyboard)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stop)
        self.line.close()
        self._thread.join()
        os.close(self._stop_reader)
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._old)
