"""Sizes, durations, quoted lists and suggestions: what people type."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkhead import Machine
from bulkhead.base.errors import SpecError
from bulkhead.base.text import (
    format_ns,
    parse_duration,
    parse_integer,
    parse_size,
    split_list,
    split_pairs,
    suggest,
)
from bulkhead.cli.parse import parse_dom0, parse_guest, parse_guests, parse_length


@pytest.mark.parametrize(
    ("text", "size"), [("64M", 64 << 20), ("1G", 1 << 30), ("512k", 512 << 10), ("3MiB", 3 << 20)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "mem") == size


@pytest.mark.parametrize("text", ["", "64", "M", "0M", "-1M", "1.5G", "64X"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(SpecError, match="write for example 64M"):
        parse_size(text, "mem")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2s", 2_000_000_000),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("7us", 7000),
        ("9ns", 9),
        ("2h", 7_200_000_000_000),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text, "for") == ns


@pytest.mark.parametrize("text", ["", "2", "s", "0s", "-1s", "1 s", "2d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(SpecError, match="write for example 2s"):
        parse_duration(text, "for")


def test_integers_name_their_bounds() -> None:
    assert parse_integer("0x10", "weight", 1, 16) == 16
    with pytest.raises(SpecError, match="weight: 17 is outside 1 to 16"):
        parse_integer("17", "weight", 1, 16)
    with pytest.raises(SpecError, match="not a whole number"):
        parse_integer("many", "weight", 1, 16)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    return "".join("\\" + c if c in '\\",' else c for c in text)


@given(st.lists(st.text(), min_size=1), st.booleans())
def test_any_text_survives_quoting(parts: list[str], by_quotes: bool) -> None:
    write = quoted if by_quotes else escaped
    assert split_list(",".join(map(write, parts)), "list") == parts


def test_open_quote_is_refused() -> None:
    with pytest.raises(SpecError, match="not closed"):
        split_list('a,"b', "list")


@pytest.mark.parametrize("text", ["a", "=b", "a=1,b", "a=1,a=2"])
def test_bad_pairs(text: str) -> None:
    with pytest.raises(SpecError):
        split_pairs(text, "list", "a=1")


def test_suggestions() -> None:
    assert suggest("vcpu", ["vcpus", "kernel"]) == "; did you mean 'vcpus'?"
    assert suggest("zzz", ["b", "a"]) == "; choose from a, b"


def test_guest_with_everything() -> None:
    guest = parse_guest(
        'kernel=/k,initrd=/i,cmdline="a=1,b=\\"2\\"",mem=32M,maxmem=1G,vcpus=2,name=v,weight=512,cap=50,time=dilated:10'
    )
    assert (guest.kernel, guest.initrd, guest.cmdline) == ("/k", "/i", 'a=1,b="2"')
    assert (guest.memory, guest.vcpus, guest.name, guest.weight) == (32 << 20, 2, "v", 512)
    assert (guest.cap, guest.time_mode, guest.max_memory) == (50, "dilated:10", 1 << 30)


def test_guest_with_a_place_in_space_and_time() -> None:
    guest = parse_guest("kernel=/k,affinity=0-1+5,start=10ms,phase=137us")
    assert (guest.affinity, guest.masks(0)) == ((0, 1, 5), (0b100011, 0))
    assert (guest.start, guest.phase) == (10_000_000, 137_000)
    placed = parse_guest("kernel=/k,vcpus=2,preferred=1,affinity.1=0+2,preferred.1=2,release=tasks,group=g")
    assert (placed.masks(0), placed.masks(1)) == ((0, 0b10), (0b101, 0b100))
    assert (placed.release, placed.group) == ("tasks", "g")
    plain = parse_guest("kernel=/k,start=0")
    assert (plain.affinity, plain.masks(0), plain.start, plain.phase) == (None, (0, 0), 0, 0)


def test_domain_0() -> None:
    assert parse_dom0("mem=40M,weight=512,sched.length=500") == {
        "dom0_memory": 40 << 20,
        "dom0_weight": 512,
        "dom0_sched": {"length": 500},
    }
    with pytest.raises(SpecError, match="did you mean 'weight'"):
        parse_dom0("weigth=3")


def test_guests_get_different_names() -> None:
    guests = parse_guests(
        ["kernel=workload:cpu_hog", "kernel=workload:cpu_hog", "kernel=/x/a_very_long_kernel_name.bin"]
    )
    assert [guest.name for guest in guests] == ["cpu_hog", "cpu_hog2", "a_very_long_ker"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not NAME=VALUE"),
        ("/boot/vmlinuz", "not NAME=VALUE"),
        ("mem=64M", "kernel=PATH is missing"),
        ("kernel=", "kernel is empty"),
        ("kernel=/k,vcpu=2", "did you mean 'vcpus'"),
        ("kernel=/k,vcpus=0", "outside 1 to 32"),
        ("kernel=/k,weight=65536", "outside 1 to 65535"),
        ("kernel=/k,mem=64", "write for example 64M"),
        ("kernel=/k,start=soon", "'soon' is not a duration"),
        ("kernel=/k,phase=-1us", "'-1us' is not a duration"),
        ("kernel=/k,affinity=2-1", "'2-1' runs backwards; write 1-2"),
        ("kernel=/k,affinity=a", "'a' is not a whole number"),
        ("kernel=/k,affinity=64", "outside 0 to 63"),
        ("kernel=/k,affinity.x=1", "'x' is not a whole number"),
        ("kernel=/k,release=", "release is empty"),
    ],
)
def test_bad_guests(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_guest(text)


def test_length_of_an_instruction() -> None:
    assert parse_length("off") is None
    assert parse_length("auto") == 0
    assert parse_length("3") == 3
    with pytest.raises(SpecError):
        parse_length("0")


@pytest.mark.parametrize(
    ("ns", "text"), [(5, "5 ns"), (1500, "1.5 us"), (2_000_000_000, "2 s"), (-3_000_000, "-3 ms")]
)
def test_format(ns: int, text: str) -> None:
    assert format_ns(ns) == text


def test_the_control_planes_share() -> None:
    assert parse_dom0("share=10") == {"dom0_share": 10}
    assert parse_dom0("affinity=1-2") == {"dom0_affinity": (1, 2)}
    plain = Machine(guests=())
    assert (plain.dom0_weight, plain.control_share) == (2048, 25)
    assert replace(plain, dom0_share=10).control_share == 10
    assert replace(plain, dom0_sched={"budget": 500}).control_share == 0, "its reservation is its share"
    assert replace(plain, dom0_sched={"budget": 500}, dom0_share=5).control_share == 5
