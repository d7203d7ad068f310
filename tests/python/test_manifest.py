"""The manifest's bytes, read back with the header's own layouts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bulkhead.backend.check import dom0_bytes, overhead, time_mode
from bulkhead.backend.qemu.manifest import GuestFiles, Parts, build_manifest
from bulkhead.backend.qemu.prepare import prepare
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import plugin_dirs
from bulkhead.base.layouts import layout
from bulkhead.base.schema import constant
from bulkhead.base.units import MIB
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Placement, Policy, TimelineEntry
from bulkhead.policy.choose import choose

PAGE = constant("page_bytes")
GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin"


def table(data: bytes, name: str, offset: int, count: int) -> Any:
    return np.frombuffer(data, dtype=layout(name), count=count, offset=offset)


def cut(data: bytes, span: Any) -> bytes:
    return data[int(span["offset"]) : int(span["offset"] + span["bytes"])]


@pytest.fixture()
def parts(tmp_path: Path) -> Parts:
    for name, contents in (("kernel", b"K" * 5000), ("initrd", b"I" * 10), ("dom0", b"D" * 4097)):
        (tmp_path / name).write_bytes(contents)
    kernel = tmp_path / "kernel"
    guests = (
        Guest(
            "a",
            str(kernel),
            "x=1",
            memory=32 * MIB,
            max_memory=48 * MIB,
            vcpus=2,
            weight=512,
            cap=50,
            time_mode="dilated:2.5",
        ),
        Guest("b", str(kernel), initrd=str(tmp_path / "initrd"), on_crash="preserve", start_paused=True),
        Guest(
            "c",
            str(kernel),
            start=50,
            vcpus=2,
            affinity=(1, 3),
            placements=[Placement(1, preferred=[3])],  # type: ignore[arg-type]
            release="set",
            group="tenants",
        ),
    )
    timeline = (TimelineEntry(900, "set_weight", "b", 7), TimelineEntry(100, "unpause", "b"))
    policy = choose("scheduler", Policy(sorted(plugin_dirs()["scheduler"].glob("*.so"))[0].stem))
    return Parts(
        drained=True,
        machine=Machine(guests=guests, timeline=timeline, duration=123, seed=9, trace_groups=("run", "mark")),
        guests=(
            GuestFiles(guests[0], kernel, None, "x=1"),
            GuestFiles(guests[1], kernel, tmp_path / "initrd", ""),
            GuestFiles(guests[2], kernel, None, ""),
        ),
        policies=(policy,),
        dom0=tmp_path / "dom0",
        clock_hz=1_000_000_000,
    )


def test_header(parts: Parts) -> None:
    data = build_manifest(parts)
    header = table(data, "manifest.Header", 0, 1)[0]
    assert header["magic"].tobytes() == b"MANIFEST"
    assert header["version"] == constant("manifest.version")
    assert (header["total_bytes"], header["header_bytes"]) == (len(data), header.nbytes)
    assert (header["seed"], header["duration"], header["trace_mask"]) == (9, 123, 1 | 4)
    assert (header["guest_count"], header["timeline_count"], header["policy_count"]) == (3, 2, 1)
    assert cut(data, header["dom0_kernel"]) == b"D" * 4097


def test_placements(parts: Parts) -> None:
    data = build_manifest(parts)
    header = table(data, "manifest.Header", 0, 1)[0]
    rows = table(data, "manifest.Placement", int(header["placements"]), int(header["placement_count"]))
    assert [tuple(int(value) for value in row) for row in rows] == [(2, 0, 0b1010, 0), (2, 1, 0b1010, 0b1000)]


def test_guests(parts: Parts) -> None:
    data = build_manifest(parts)
    header = table(data, "manifest.Header", 0, 1)[0]
    a, b, c = table(data, "manifest.Guest", int(header["guests"]), 3)
    assert (a["name"], b["name"]) == (b"a", b"b")
    assert cut(data, a["kernel"]) == b"K" * 5000 and cut(data, a["cmdline"]) == b"x=1"
    assert a["kernel"] == b["kernel"], "the same file is stored once"
    assert cut(data, b["initrd"]) == b"I" * 10 and a["initrd"]["bytes"] == 0
    assert (a["memory_bytes"], a["vcpus"], a["weight"], a["cap"]) == (32 * MIB, 2, 512, 50)
    assert (a["max_memory_bytes"], b["max_memory_bytes"]) == (48 * MIB, b["memory_bytes"])
    assert (a["time_mode"], a["dilation"]) == (2, 2500)
    assert (b["on_crash"], b["start_paused"], b["start"]) == (1, 1, 0)
    assert (a["release"], c["release"], c["start"]) == (0, 1, 50)
    assert (a["group"], c["group"]) == (0, 1)
    for guest in (a, b):
        assert guest["kernel"]["offset"] % PAGE == 0 and guest["initrd"]["offset"] % PAGE == 0


def test_timeline_is_sorted(parts: Parts) -> None:
    data = build_manifest(parts)
    header = table(data, "manifest.Header", 0, 1)[0]
    rows = table(data, "manifest.TimelineEntry", int(header["timeline"]), 2)
    assert [(row["at"], row["action"], row["target"], row["argument"]) for row in rows] == [
        (100, 1, 1, 0),
        (900, 4, 1, 7),
    ]


def test_policy_has_every_effective_value(parts: Parts) -> None:
    data = build_manifest(parts)
    header = table(data, "manifest.Header", 0, 1)[0]
    row = table(data, "manifest.Policy", int(header["policies"]), 1)[0]
    chosen = parts.policies[0]
    assert row["name"] == chosen.policy.name.encode()
    assert row["parameter_count"] == len(chosen.values)
    assert list(row["parameters"][: len(chosen.values)]) == list(chosen.values)
    assert cut(data, row["object"]) == chosen.policy.path.read_bytes()


def test_same_parts_same_bytes(parts: Parts) -> None:
    assert build_manifest(parts) == build_manifest(parts)


@pytest.mark.parametrize(
    "text", ["slow", "dilated", "real:2", "dilated:0.5", "dilated:x", "dilated:inf", "dilated:nan"]
)
def test_bad_time_modes(text: str) -> None:
    with pytest.raises(SpecError, match="time mode"):
        time_mode(text)


def guest(**changes: Any) -> Guest:
    return Guest(**{"name": "g", "kernel": GRUB, **changes})


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (Machine((guest(memory=MIB // 2),)), "too little; give at least 1M"),
        (
            Machine((guest(memory=600 * MIB),)),
            "512 MiB are too little: the guests want 600 MiB .* give the machine at least",
        ),
        (
            Machine((guest(max_memory=63 * MIB),)),
            "maxmem is 63 MiB, less than the 64 MiB that it starts with",
        ),
        (
            Machine((guest(),), timeline=(TimelineEntry(5, "set_memory", "g", 65 * MIB),)),
            "set_memory to 65 MiB is more than guest g may have, 64 MiB; give it maxmem=65M",
        ),
        (Machine((guest(), guest())), "two guests are named 'g'"),
        (Machine((guest(name="dom0"),)), "taken by Bulkhead itself"),
        (Machine((guest(name="sixteen letters!"),)), "write 1 to 15"),
        (Machine((guest(weight=0),)), "weight=0 is outside 1 to 65535"),
        (Machine((guest(cap=101),)), "cap=101 is outside 0 to 100"),
        (Machine((guest(on_crash="dance"),)), "unknown crash action 'dance'"),
        (Machine((guest(),), pcpus=0), "pcpus=0 is outside 1 to 64"),
        (Machine((guest(),), seed=-1), "seed=-1 is outside"),
        (Machine((guest(),), trace_groups=("marks",)), "unknown trace group 'marks'; did you mean 'mark'"),
        (
            Machine((guest(),), timeline=(TimelineEntry(5, "destroy", "h"),)),
            "'h', which is not a guest of this machine",
        ),
        (Machine((guest(),), timeline=(TimelineEntry(-5, "audit"),)), "before the start"),
        (Machine((guest(),), sched=Policy("nobody")), "unknown scheduler 'nobody'"),
        (Machine((guest(kernel="/nowhere"),)), "file /nowhere does not exist"),
        (Machine((guest(kernel="/"),)), "is not a readable file"),
        (Machine((guest(kernel="/bin/ls"),)), "the kernel is no executable ELF file"),
        (Machine((guest(kernel="/etc/passwd"),)), "the kernel is not an ELF file"),
        (Machine((guest(initrd="/nowhere"),)), "file /nowhere does not exist"),
    ],
)
def test_what_cannot_run_is_said_before_it_is_started(machine: Machine, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        prepare(machine)
    assert "\n" not in str(error.value)


def test_overhead_grows_with_the_machine() -> None:
    small, large = Machine(()), Machine((), memory=2048 * MIB, pcpus=4)
    assert overhead(large) > overhead(small) > dom0_bytes(small, 0)
