"""A guest's console at a terminal: what is typed arrives, what the guest says is shown as it is, and Ctrl-] ends the run."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import tarfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from machines import GRUB, GRUB_32

PATIENCE = 280.0  # seconds
HANG_UP = b"\x1d"


class Session:
    """`./bulkhead boot --console` on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.ours, theirs = pty.openpty()
        self.usual = termios.tcgetattr(self.ours)
        self.process = subprocess.Popen(
            [str(ROOT / "bulkhead"), "boot", *words],
            env={**os.environ, "BULKHEAD_NO_BUILD": "1", "TERM": "vt100"},
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = b""

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.ours, keys)

    def wait_for(self, text: bytes) -> None:
        """Until the terminal shows it; what came before is forgotten."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            assert self.process.poll() is None, self.seen
            if select.select([self.ours], [], [], 0.1)[0]:
                self.seen += os.read(self.ours, 65536)
        self.seen = self.seen.partition(text)[2]

    def end(self) -> int:
        """The exit status, once it has ended; `seen` has what it still showed."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            if not select.select([self.ours], [], [], 0.1)[0]:
                if ended:
                    break
                continue
            try:
                self.seen += os.read(self.ours, 65536)
            except OSError:  # nobody has the other side open any more
                break
        return self.process.wait(PATIENCE)


@pytest.fixture()
def sessions() -> Iterator[Callable[..., Session]]:
    """Starts sessions, and ends those that a test leaves behind."""
    started: list[Session] = []

    def start(*words: str) -> Session:
        started.append(Session(*words))
        return started[-1]

    yield start
    for session in started:
        session.process.kill()
        session.process.wait()
        os.close(session.ours)


@pytest.fixture()
def grub(sessions: Callable[..., Session]) -> Session:
    """GRUB's prompt beside a guest that never rests."""
    return sessions(
        *("--guest", f"kernel={GRUB},name=grub"),
        *("--guest", "kernel=workload:cpu_hog,name=hog,mem=8M"),
        *("--console", "grub"),
    )


def test_what_is_typed_arrives_and_is_answered(grub: Session) -> None:
    grub.wait_for(b"grub>")
    grub.type(b"echo one${x}two\r")
    grub.wait_for(b"onetwo")
    grub.wait_for(b"grub>")
    grub.type(HANG_UP)
    assert grub.end() == 5
    assert b"hog" in grub.seen, "the summary names the guests"


def test_grub_of_32_bits_lists_and_shows_a_file_of_its_disk(
    sessions: Callable[..., Session], tmp_path: Path
) -> None:
    """GRUB takes an archive for a file system, and speaks the block ring's 32-bit layout."""
    (tmp_path / "greeting").write_text("hello from a disk\n" * 300)  # of several sectors
    with tarfile.open(tmp_path / "disk", "w") as archive:
        archive.add(tmp_path / "greeting", "greeting")
    narrow = sessions(
        *("--guest", f"kernel={GRUB_32},name=grub,disk={tmp_path / 'disk'}"),
        *("--console", "grub"),
    )
    narrow.wait_for(b"grub>")
    narrow.type(b"ls (xenid/51712)/\r")
    narrow.wait_for(b"greeting")
    narrow.type(b"cat (xenid/51712)/greeting\r")
    narrow.wait_for(b"hello from a disk")
    narrow.type(HANG_UP)
    assert narrow.end() == 5


def test_a_polite_kill_gives_the_terminal_back_as_it_was(grub: Session) -> None:
    before = grub.usual
    grub.wait_for(b"grub>")
    assert termios.tcgetattr(grub.ours) != before
    grub.process.terminate()
    assert grub.end() == 128 + signal.SIGTERM
    assert termios.tcgetattr(grub.ours) == before


def test_a_shell_in_linux(sessions: Callable[..., Session]) -> None:
    cmdline = "console=hvc0 quiet bulkhead.job=shell"
    shell = sessions(
        *("--guest", f"kernel=debian:linux,initrd=image:small,mem=128M,cmdline={cmdline}"),
        *("--console", "linux"),
    )
    shell.wait_for(b"# ")
    shell.type(b"echo one$((1+1))three; tty\r")
    shell.wait_for(b"one2three")
    shell.wait_for(b"/dev/")
    shell.type(b"exit\r")
    assert shell.end() == 0
