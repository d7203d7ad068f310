"""Workloads built for 32 bits: the same answers as in 64, beside those of 64, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from machines import MILLISECOND, POWERED_OFF, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestDisk, GuestNet, Run, SpecError

SIZES = {"memory": 8 * MIB}


def narrow(kind: str, options: str = "", /, **changes: Any) -> Guest:
    """A workload in ring 1."""
    return workload(kind, options, **{**SIZES, "abi": "pv32", **changes})


def result(run: Run, guest: str) -> dict[str, str]:
    """The words of the guest's line of results."""
    line = re.search(r"^RESULT (.*)$", run.consoles[guest], re.MULTILINE)
    assert line is not None, said(run)
    return dict(word.split("=", 1) for word in line[1].split())


def test_a_computation_has_the_same_answer_in_both_widths() -> None:
    job = "steps=100000 seed=7"
    run = boot(
        narrow("checksum", job, name="narrow"), workload("checksum", job, name="wide"), duration=SECOND
    )
    assert result(run, "narrow")["value"] == result(run, "wide")["value"]
    assert {run.landmark.ledger[name].shutdown_reason for name in ("narrow", "wide")} == {POWERED_OFF}
    assert_sound(run)


def test_widths_talk_to_each_other_by_grants_events_and_the_store() -> None:
    """A page is lent, mapped and signalled in both directions."""
    pairs = []
    for ask, answer in (("pv64", "pv32"), ("pv32", "pv64"), ("pv32", "pv32")):
        p, r = f"p{ask}{answer}", f"r{ask}{answer}"
        pairs.append(workload("pinger", f"peer={r} for_ms=60", name=p, abi=ask, **SIZES))
        pairs.append(workload("responder", f"peer={p} for_ms=80", name=r, abi=answer, **SIZES))
    run = boot(*pairs, duration=2 * SECOND)
    for guest in pairs[::2]:
        words = result(run, guest.name)
        assert int(words["sent"]) == int(words["received"]) > 10, said(run)
    assert_sound(run)


def test_widths_exchange_packets_over_one_switch() -> None:
    """Requests and answers in both directions, beside a flood from ring 1 to ring 3."""
    pairs = (("pv64", "pv32"), ("pv32", "pv64"), ("pv32", "pv32"))
    guests = []
    for i, (ask, answer) in enumerate(pairs):
        nets = {"nets": (GuestNet(f"net{i}"),), **SIZES}
        guests.append(workload("udp_rr", "host=2 peer=1 for_ms=60", name=f"c{i}", abi=ask, **nets))
        guests.append(workload("udp_echo", "host=1 for_ms=100", name=f"s{i}", abi=answer, **nets))
    guests.append(narrow("udp_flood", "host=3 peer=4 for_ms=60", name="flood", nets=(GuestNet("net0"),)))
    guests.append(workload("udp_echo", "host=4 for_ms=100", name="sink", nets=(GuestNet("net0"),), **SIZES))
    run = boot(*guests, duration=SECOND)
    for i, _ in enumerate(pairs):
        served = int(result(run, f"s{i}")["served"])
        assert int(result(run, f"c{i}")["answers"]) > 20 and served > 20, said(run)
    assert int(result(run, "sink")["served"]) > 100, said(run)
    assert_sound(run)


def test_its_vcpus_run_at_once() -> None:
    run = boot(
        narrow("cpu_hog", "for_ms=100 all_vcpus=1", vcpus=3, name="hog"), pcpus=3, duration=400 * MILLISECOND
    )
    ran = run.landmark.ledger["hog"].guest_ns
    assert ran > 2.5 * 100 * MILLISECOND, said(run)
    assert_sound(run)


def test_its_balloon_grows_and_its_clock_and_runstate_tell_the_time() -> None:
    """The tick dodger sleeps by its clock; the hog beside it takes time that its runstate names."""
    run = boot(
        narrow("memory", "for_ms=100", max_memory=16 * MIB),
        narrow("fork_bomb", "for_ms=100", max_memory=10 * MIB),
        narrow("long_calls", "for_ms=100 leaf_tables=8"),
        narrow("tick_dodger", "for_ms=100"),
        workload("cpu_hog"),
        duration=SECOND,
    )
    assert int(result(run, "long_calls")["rounds"]) >= 1, said(run)
    assert int(result(run, "memory")["pages"]) > 50, said(run)
    forks = result(run, "fork_bomb")
    assert int(forks["forks"]) > int(forks["alive"]) > 20, said(run)
    assert int(result(run, "tick_dodger")["ops"]) > 1000, said(run)
    assert_sound(run)


@pytest.mark.parametrize("size", [4096, 128 << 10])  # in the ring's slot, and through a list of segments
def test_its_disks_ring_has_the_32_bit_layout(size: int) -> None:
    """Beside one of 64 bits on the same drive."""
    disks = (GuestDisk(2 * MIB),)
    job = f"bytes={size} period_us=2000 for_ms=100"
    guests = (
        narrow("disk", job, name="narrow", disks=disks),
        workload("disk", job, name="wide", disks=disks),
    )
    run = boot(*guests, narrow("disk_flood", "for_ms=100", disks=disks), duration=SECOND)
    for name in ("narrow", "wide", "disk_flood"):
        words = result(run, name)
        assert int(words["answers"]) > 3 and int(words["failures"]) == 0, said(run)
    assert_sound(run)


@pytest.mark.parametrize(
    ("kind", "options", "word", "value"),
    [
        ("garbage", "rounds=40", "well", "true"),
        ("table_storm", "for_ms=50", "refused", "0"),
        ("table_storm", "calls=initialise for_ms=50", "accepted", "0"),
        ("page_tables", "for_ms=50", "refused", "0"),
        ("drain", "for_ms=50", "ports", "1020"),  # 1024 that exist, less the reserved one and its own three
    ],
)
def test_a_hostile_one_harms_nobody(kind: str, options: str, word: str, value: str) -> None:
    run = boot(narrow(kind, options, vcpus=2, name="hostile"), workload("compute"), duration=SECOND)
    assert result(run, "hostile")[word] == value, said(run)
    assert_sound(run)


def test_the_same_mix_again_is_the_same() -> None:
    guests = (narrow("periodic"), narrow("table_storm", vcpus=2), workload("compute"), narrow("timer_storm"))
    runs = [boot(*guests, pcpus=2, duration=150 * MILLISECOND, seed=3) for _ in range(2)]
    assert runs[0].trace_sha256 == runs[1].trace_sha256


@pytest.mark.parametrize(
    ("guest", "message"),
    [
        (Guest("odd", "workload:compute", abi="pv16"), "unknown abi 'pv16'; write pv64 or pv32"),
        (Guest("odd", "/usr/lib/grub-xen/grub-i386-xen.bin", abi="pv32"), "abi=pv32 is for workloads"),
        (Guest("odd", "workload:vector_state", abi="pv32"), "'vector_state' is not built for abi=pv32"),
        (Guest("odd", "workload:die_first", abi="pv32"), "'die_first' is not built for abi=pv32"),
    ],
)
def test_a_wrong_abi_is_named_in_one_line(guest: Guest, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        boot(guest)
    assert "\n" not in str(error.value)


def test_the_simulator_refuses_a_width_that_its_models_do_not_have() -> None:
    with pytest.raises(SpecError, match="the simulator's models have no width"):
        boot(narrow("compute"), backend="sim")
