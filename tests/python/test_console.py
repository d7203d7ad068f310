"""The serial line: who said what, in pieces of any size, and nothing a guest could steer a terminal with."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bulkhead.backend.qemu.console import Consoles, clean, split_line


def test_lines_have_names(tmp_path: Path) -> None:
    serial, heard = tmp_path / "serial", []
    consoles = Consoles(serial, lambda name, line: heard.append((name, line)))
    consoles.poll()
    serial.write_bytes(b"(bulkhead) up\r\nvictim| a|b\nvict")
    consoles.poll()
    assert heard == [("bulkhead", "up"), ("victim", "a|b")]
    with open(serial, "ab") as file:
        file.write(b"im| grub> ")
    assert consoles.finish() == {"bulkhead": "up\n", "victim": "a|b\ngrub> \n"}
    assert heard[-1] == ("victim", "grub> ")


def test_a_line_without_a_name_is_the_hypervisors() -> None:
    assert split_line("SeaBIOS") == ("bulkhead", "SeaBIOS")
    assert split_line("a name that is too long| x") == ("bulkhead", "a name that is too long| x")


def test_escape_sequences_vanish() -> None:
    assert clean("\x1b[2J\x1b[31mred\x1b]0;title\x07 \x9b1mx\x07") == "red 1mx"


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    assert not any(c != "\t" and c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in clean(text))


@given(st.binary(), st.integers(1, 7))
def test_pieces_do_not_matter(data: bytes, size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        serial = Path(folder) / "serial"
        serial.write_bytes(data)
        whole = Consoles(serial).finish()
        serial.write_bytes(b"")
        pieces = Consoles(serial)
        for start in range(0, len(data), size):
            with open(serial, "ab") as file:
                file.write(data[start : start + size])
            pieces.poll()
        assert pieces.finish() == whole
