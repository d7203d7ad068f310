"""A terminal's records: every byte survives the serial line; a guest's strings for the terminal itself do not survive."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bulkhead.backend.qemu.console import Consoles
from bulkhead.base.terminal import Screen, unescape


def escape(data: bytes) -> bytes:
    """As the hypervisor writes them."""
    return b"".join(bytes([b]) if 32 <= b < 127 and b != 0x5C else b"\\%02x" % b for b in data)


@given(st.binary())
def test_every_byte_comes_back(data: bytes) -> None:
    assert unescape(escape(data)) == data


def test_a_terminals_bytes_are_shown_as_they_are_and_kept_as_lines(tmp_path: Path) -> None:
    serial, shown = tmp_path / "serial", []
    consoles = Consoles(serial, None, shown.append)
    serial.write_bytes(b"guest~ # \nguest~ ls\\0d\\0a\\1b[1ma\nother| x\nguest~ \\1b[0m\\0d\\0a$ \n")
    kept = consoles.finish()
    assert b"".join(shown) == b"# ls\r\n\x1b[1ma\x1b[0m\r\n$ "
    assert kept == {"guest": "# ls\na\n$ \n", "other": "x\n"}


def test_strings_for_the_terminal_itself_are_left_out() -> None:
    screen = Screen()
    assert screen.show(b"a\x1b]0;title\x07b\x1bPq\x1b\\c\x1b[1md") == b"abc\x1b[1md"
    assert screen.show("é–А".encode()) == "é–А".encode()


@given(st.lists(st.sampled_from([b"\x1b", b"]", b"52;c", b"\x07", b"text", b"\\", b"\n", b"[1m"])))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    whole, apart = Screen(), Screen()
    assert whole.show(b"".join(pieces)) == b"".join(apart.show(piece) for piece in pieces)
