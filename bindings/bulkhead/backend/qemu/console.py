"""The machine's serial line: `NAME| text` from guests, `(bulkhead) text` from the hypervisor. Guests' text is hostile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bulkhead.base.terminal import unescape

HYPERVISOR = "bulkhead"
HYPERVISOR_PREFIX = "(bulkhead) "
# Terminal escape sequences and control characters: a guest must not steer the terminal of its user.
UNSAFE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\^_]|\][^\x07]*\x07)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
TERMINAL_RECORD = re.compile(rb"([A-Za-z0-9_.-]{1,15})~ (.*)")
GUEST_LINE = re.compile(r"([A-Za-z0-9_.-]{1,15})\| ?(.*)")

Listener = Callable[[str, str], None]
ByteListener = Callable[[bytes], None]


def clean(text: str) -> str:
    """Text without anything a terminal would obey."""
    return UNSAFE.sub("", text)


def split_line(line: str) -> tuple[str, str]:
    """The speaker's name and its text. A line without a name is the hypervisor's."""
    if line.startswith(HYPERVISOR_PREFIX):
        return HYPERVISOR, line.removeprefix(HYPERVISOR_PREFIX)
    match = GUEST_LINE.fullmatch(line)
    return (match[1], match[2]) if match else (HYPERVISOR, line)


class Consoles:
    """Follows the serial file; keeps every line by name and tells the listener of new ones."""

    def __init__(
        self, path: Path, listener: Listener | None = None, terminal: ByteListener | None = None
    ) -> None:
        self._path, self._listener, self._terminal = path, listener, terminal
        self._typed_on: dict[str, bytes] = {}  # by name, what a terminal's guest said since its last line end
        self._offset, self._rest = 0, b""
        self._lines: dict[str, list[str]] = {}

    def poll(self) -> None:
        """Take in what has been written since the last call."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._add(line)

    def finish(self) -> dict[str, str]:
        """Take in the rest, also an unfinished last line. Text by name."""
        self.poll()
        if self._rest:
            self._add(self._rest)
            self._rest = b""
        for name, rest in self._typed_on.items():
            if rest:
                self._keep(name, rest)
        return {name: "\n".join(lines) + "\n" for name, lines in self._lines.items()}

    def _keep(self, name: str, line: bytes) -> None:
        self._lines.setdefault(name, []).append(clean(line.decode("utf-8", "replace")))

    def _add_bytes(self, name: str, data: bytes) -> None:
        """Bytes of the guest that has a terminal: shown as they are, kept as lines."""
        if self._terminal is not None:
            self._terminal(data)
        *lines, self._typed_on[name] = (self._typed_on.get(name, b"") + data).split(b"\n")
        for line in lines:
            self._keep(name, line)

    def _add(self, raw: bytes) -> None:
        if record := TERMINAL_RECORD.fullmatch(raw):
            return self._add_bytes(record[1].decode(), unescape(record[2]))
        name, text = split_line(clean(raw.decode("utf-8", "replace")))
        self._lines.setdefault(name, []).append(text)
        if self._listener is not None:
            self._listener(name, text)
