"""The instructions of a primitive by function, from QEMU's log of every instruction."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkhead.base.errors import BulkheadError
from bulkhead.perf.instructions import FENCE, POLICY, Symbols, read, shortened

GUEST = 0xFFFF_FFFF_8000_2000
ENTRY, HANDLER, END = 0xFFFF_8280_0010_0000, 0xFFFF_8280_0010_0100, 0xFFFF_8280_0010_0200


@pytest.fixture
def symbols(monkeypatch: pytest.MonkeyPatch) -> Symbols:
    """Three functions."""
    table = f"{ENTRY:x} T guest_entry\n{HANDLER:x} t handler(int)\n{END:x} T {FENCE}\n{END:x} B some_data\n"
    monkeypatch.setattr("bulkhead.perf.instructions.run_tool", lambda *words: table)
    return Symbols(Path("some.elf"))


def lines(*addresses: int, processor: int = 0) -> list[bytes]:
    """The log of these instructions."""
    return [f"Trace {processor}: 0x7f00 [0000/{address:016x}/18c0/ff02] \n".encode() for address in addresses]


def test_sections_between_two_fences_belong_together(symbols: Symbols) -> None:
    log = lines(
        ENTRY, END, GUEST, ENTRY, HANDLER, HANDLER + 4, GUEST, ENTRY, HANDLER, GUEST, ENTRY, END, GUEST
    )
    before, row, after = read(log, symbols)
    assert row.entries == 2
    assert row.functions == {"guest_entry": 2, "handler": 3}
    assert row.instructions == 5
    assert before.instructions == after.instructions == 0


def test_other_processors_and_other_lines_do_not_count(symbols: Symbols) -> None:
    log = [b"Trace\n", *lines(ENTRY, HANDLER, processor=1), *lines(ENTRY, GUEST), b"Servicing hardware INT\n"]
    (row,) = read(log, symbols)
    assert row.functions == {"guest_entry": 1}


def test_a_policy_is_told_from_the_hypervisor(symbols: Symbols) -> None:
    (row,) = read(lines(ENTRY, END + 0x10_0000, GUEST), symbols)
    assert row.functions == {"guest_entry": 1, POLICY: 1}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("guest_entry", "guest_entry"),
        ("bulkhead::hv::(anonymous namespace)::take_trap(bulkhead::hv::Vcpu&)", "take_trap"),
        (
            "std::expected<long, bulkhead::hv::Error> bulkhead::hv::(anonymous namespace)::"
            "perform<bulkhead::hv::SchedOp>(bulkhead::hv::HypercallContext&) [clone .lto_priv.0]",
            "perform<SchedOp>",
        ),
    ],
)
def test_names_are_short(name: str, short: str) -> None:
    assert shortened(name) == short


def test_a_file_without_symbols_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkhead.perf.instructions.run_tool", lambda *words: "")
    with pytest.raises(BulkheadError, match="some.elf has no symbols"):
        Symbols(Path("some.elf"))
