"""32-bit guests, whose kernels run in ring 1: the smallest one, GRUB, and a kernel that tries to leave its domain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from machines import GRUB_32, MILLISECOND, POWERED_OFF, assert_sound, boot, grub, said, workload

from bootstrap.build import build_dir
from bulkhead import MIB, SECOND, Guest, SpecError, TimelineEntry


BUILT = build_dir("release")
Change = Callable[[bytes], bytes]  # of a kernel's file
TICKS = 5
ATTEMPTS = 75  # lines of the attacking kernel, with its verdict


def small(name: str, folder: str) -> Guest:
    """One of the kernels built from guest/pae."""
    return Guest(name=name, kernel=str(BUILT / folder / f"{name}.elf"), memory=8 * MIB)


def hello() -> Guest:
    return small("hello", "guest/pae")


def test_a_kernel_in_ring_1_prints_and_takes_its_timers_events() -> None:
    run = boot(hello(), duration=SECOND)
    ticks = [f"tick {n:08x}" for n in range(1, TICKS + 1)]
    expected = ["hello from a kernel in ring 1", "xen-3.0-x86_32p", "its ring: 00000001", *ticks, "bye"]
    assert run.consoles["hello"].splitlines() == expected, said(run)
    assert run.landmark.ledger["hello"].shutdown_reason == POWERED_OFF
    assert_sound(run)


def test_the_same_run_again_is_the_same() -> None:
    runs = [boot(hello(), workload("cpu_hog"), duration=200 * MILLISECOND, seed=7) for _ in range(2)]
    assert runs[0].trace_sha256 == runs[1].trace_sha256


def test_grub_of_32_bits_reaches_its_prompt_beside_one_of_64() -> None:
    run = boot(Guest(name="narrow", kernel=GRUB_32), grub("wide"), duration=5 * SECOND)
    for name in ("narrow", "wide"):
        assert "grub>" in run.consoles[name], said(run)
    assert_sound(run)


def test_nothing_leads_out_of_a_32_bit_guest() -> None:
    run = boot(small("attacks", "tests/guest/pae"), workload("cpu_hog"), duration=2 * SECOND)
    lines = run.consoles["attacks"].splitlines()
    assert lines[-1] == "all held", said(run)
    assert all(line.endswith(": held") for line in lines[:-1]) and len(lines) == ATTEMPTS, said(run)
    assert_sound(run)


def test_destroying_one_returns_all_its_frames() -> None:
    timeline = (
        TimelineEntry(500 * MILLISECOND, "audit"),
        TimelineEntry(600 * MILLISECOND, "destroy", "narrow"),
        TimelineEntry(800 * MILLISECOND, "audit"),
    )
    run = boot(
        Guest(name="narrow", kernel=GRUB_32),
        workload("cpu_hog"),
        duration=SECOND,
        timeline=timeline,
    )
    owned = run.select("domain_destroy", "narrow")["a"]
    returned = run.select("domain_gone", "narrow")["a"]
    assert len(owned) == 1 and owned[0] > 0 and list(returned) == list(owned), said(run)
    assert_sound(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image.replace(b"yes", b"no\0"), "without PAE"),
        (lambda image: image[:2000], "cut short"),
        (lambda image: image[:18] + b"\x28\0" + image[20:], "neither for x86-64 nor"),  # for ARM
    ],
)
def test_a_kernel_that_cannot_start_is_named_in_one_line(
    tmp_path: Path, change: Change, message: str
) -> None:
    kernel = tmp_path / "kernel.elf"
    kernel.write_bytes(change(Path(hello().kernel).read_bytes()))
    with pytest.raises(SpecError, match=message) as error:
        boot(Guest(name="odd", kernel=str(kernel), memory=8 * MIB))
    assert "\n" not in str(error.value)
