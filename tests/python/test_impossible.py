"""What can never work is refused before anything runs, on both back ends: one line with the parameter and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bulkhead import Costs, Guest, GuestDisk, GuestNet, Machine, Placement, Policy, Timeline
from bulkhead.backend.qemu.prepare import prepare
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.units import MIB
from bulkhead.cli.parse import parse_guest
from bulkhead.model.machine import REGISTRY
from bulkhead.model.spec import TimelineEntry

HOG = Guest("hog", "workload:cpu_hog", memory=4 * MIB)
GOOD = Machine(guests=(HOG,), sched=Policy("credit"), duration=100_000_000)


def guest(**wrong: Any) -> Machine:
    return replace(GOOD, guests=(replace(HOG, **wrong),))


def machine(**wrong: Any) -> Machine:
    return replace(GOOD, **wrong)


def entry(*words: Any) -> Machine:
    return replace(GOOD, timeline=(TimelineEntry(*words),))


def disks(*own: Any) -> Machine:
    return guest(disks=own)


IMPOSSIBLE = [
    (machine(pcpus=0), "pcpus=0 is outside 1 to 64"),
    (machine(pcpus=65), "pcpus=65 is outside 1 to 64"),
    (machine(pcpus="two"), "pcpus='two' is not a whole number"),
    (machine(pcpus=True), "pcpus=True is not a whole number"),
    (machine(duration=0), "duration=0 ns is outside 1"),
    (machine(duration=1.5), "duration=1.5 is not a whole number"),
    (
        machine(ns_per_instruction=3),
        "ns_per_instruction=3 is impossible with 1 pCPU: write one of 1, 2, 4, 8, ... 1024",
    ),
    (machine(seed=-1), "seed=-1 is outside 0 to"),
    (machine(trace_bytes=1), "trace_bytes=1 is not a whole number of pages"),
    (machine(dom0_weight=0), "dom0_weight=0 is outside 1 to 65535"),
    (machine(dom0_affinity=(1,)), "dom0_affinity: the machine has no pCPU 1; its pCPUs are 0 to 0"),
    (machine(memory=1 * MIB), "1 MiB are too little"),
    (machine(trace_groups=("runs",)), "'runs'"),
    (machine(sched=Policy("nobody")), "unknown scheduler 'nobody'"),
    (machine(sched=Policy("credit", {"slices": 1})), "policy credit has no parameter 'slices'"),
    (machine(sched=Policy("round_robin", {"slice": 1})), "slice=1 is outside 100 to 100000 us"),
    (machine(sched=Policy("round_robin", {"slice": "x"})), "slice='x' is not a whole number"),
    (machine(sched=7), "sched=7 is not a Policy"),
    (machine(guests=("hog",)), "guests: 'hog' is not a Guest"),
    (machine(guests=HOG), "guests=Guest"),
    (machine(guests=(HOG, HOG)), "two guests are named 'hog'"),
    (machine(guests=(replace(HOG, memory=600 * MIB),)), "too little: the guests want 600 MiB"),
    (guest(weight=0), "guest hog: weight=0 is outside 1 to 65535"),
    (guest(weight=65536), "guest hog: weight=65536 is outside 1 to 65535"),
    (guest(weight="much"), "guest hog: weight='much' is not a whole number"),
    (guest(cap=101), "guest hog: cap=101 is outside 0 to 100 per cent"),
    (guest(vcpus=0), "guest hog: vcpus=0 is outside 1 to 32"),
    (guest(vcpus=33), "guest hog: vcpus=33 is outside 1 to 32"),
    (guest(memory=4096), "guest hog: 4096 bytes of memory are too little; give at least 1M"),
    (guest(name=""), "guest name ''"),
    (guest(name="dom0"), "guest name 'dom0' is taken"),
    (guest(kernel="workload:cpu_hug"), "unknown workload 'cpu_hug'; did you mean 'cpu_hog'?"),
    (guest(cmdline="mark_op=1"), "workload cpu_hog has no option 'mark_op'"),
    (guest(sched={"weigth": 1}), "policy credit has no parameter of domains 'weigth'"),
    (guest(time_mode="slow"), "'slow'"),
    (guest(on_crash="cry"), "'cry'"),
    (guest(affinity=(0, 1)), "guest hog: affinity: the machine has no pCPU 1; its pCPUs are 0 to 0"),
    (guest(affinity=(-1,)), "guest hog: affinity: the machine has no pCPU -1"),
    (guest(affinity=()), "guest hog: affinity is empty; name a pCPU, or write None for all"),
    (guest(preferred=(3,)), "guest hog: preferred: the machine has no pCPU 3"),
    (
        guest(placements=(Placement(1, affinity=(0,)),)),
        "affinity of vCPU 1: its vCPUs are 0 to 0; write vcpus=",
    ),
    (guest(placements=(Placement(0), Placement(0))), "guest hog: placements: a vCPU is named twice"),
    (guest(placements=((0,),)), "guest hog: placements: (0,) is not a Placement"),
    (guest(release=""), "guest hog: release is empty"),
    (guest(group=""), "guest hog: group is empty"),
    (
        machine(guests=(replace(HOG, group="g"), replace(HOG, name="b", group="g", weight=300))),
        "guest b: group=g: its weight is 300, that of hog 256; give the group one weight",
    ),
    (
        machine(
            guests=(replace(HOG, group="g"), replace(HOG, name="b", group="g", ringctl={"limit": 5})),
            ringctl=Policy("mclock"),
        ),
        "guest b: group=g: its ringctl parameters are not those of hog; give the group one set of them",
    ),
    (guest(release="a", start_paused=True), "guest hog: release=a: the timeline starts this guest"),
    (guest(release="a", vcpus=33), "vcpus=33 is outside 1 to 32"),
    (guest(affinity="0"), "guest hog: affinity='0' is not a tuple of pCPU numbers or None"),
    (guest(start=-1), "guest hog: start=-1 ns is outside 0 to the run's duration"),
    (
        guest(start=100_000_000),
        "guest hog: start=100000000 ns is outside 0 to the run's duration, 100000000 ns",
    ),
    (guest(start=5, start_paused=True), "start=5 ns and start_paused exclude each other"),
    (
        replace(GOOD, guests=(replace(HOG, start=5),), timeline=(TimelineEntry(9, "create", "hog"),)),
        "guest hog: start=5 ns: the timeline creates this guest",
    ),
    (guest(phase=-1), "guest hog: phase=-1 ns is outside 0 to"),
    (guest(phase=1), "guest hog: workload:cpu_hog has no periodic activity that phase= could shift"),
    (
        guest(kernel="workload:periodic", cmdline="phase_ns=1", phase=1),
        "guest hog: phase_ns in cmdline and phase= are the same",
    ),
    (entry(-1, "pause", "hog"), "timeline: pause at -1 ns is before the start"),
    (entry(1.5, "pause", "hog"), "timeline: at=1.5 is not a whole number"),
    (entry(1, "pawse", "hog"), "timeline action 'pawse'"),
    (entry(1, "pause", "nobody"), "timeline: pause of 'nobody'"),
    (entry(1, "set_weight", "hog", 0), "timeline: set_weight: 0 is outside 1 to 65535"),
    (entry(1, "set_affinity", "hog", 2), "timeline: set_affinity: 0x2 is not a mask"),
    (entry(1, "swap"), "timeline: swap"),
    (disks(GuestDisk(MIB), GuestDisk(MIB)), "guest hog: two disks are named xvda; give them different names"),
    (
        guest(nets=(GuestNet(), GuestNet())),
        "guest hog: two interfaces are named eth0; give them different names",
    ),
    (
        guest(nets=(GuestNet(mac="00:16:3e:00:01"),)),
        "guest hog: interface eth0: address '00:16:3e:00:01': write six pairs of hexadecimal digits, "
        "for example 00:16:3e:00:00:01",
    ),
    (
        guest(nets=(GuestNet(mac="01:16:3e:00:00:01"),)),
        "guest hog: interface eth0: address 01:16:3e:00:00:01 is not that of one station; the first byte must be even",
    ),
    (
        guest(nets=(GuestNet(name="wlan0"),)),
        "guest hog: interface wlan0: write a name from eth0 to eth7",
    ),
    (guest(nets=(GuestNet(pcap=7),)), "guest hog: interface eth0: pcap=7 is not the path of a file"),  # type: ignore[arg-type]
    (disks(GuestDisk(MIB, name="sda")), "guest hog: disk sda: write a name from xvda to xvdp"),
    (disks(GuestDisk()), "guest hog: disk xvda: give either a size or an image"),
    (disks(GuestDisk(MIB, "x")), "guest hog: disk xvda: give either a size or an image"),
    (
        disks(GuestDisk(1000)),
        "guest hog: disk xvda: 1000 bytes are not a whole number of sectors of 512 bytes",
    ),
    (disks(GuestDisk(0)), "guest hog: disk xvda: 0 bytes are not a whole number of sectors of 512 bytes"),
    (disks(GuestDisk(1 << 40)), "MiB are too little"),
    (disks("xvda"), "guest hog: disks: 'xvda' is not a GuestDisk"),
]


def test_images_of_disks(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 700)
    for image, message in (
        (tmp_path / "none", "does not exist"),
        (short, "has 700 bytes"),
        (tmp_path, "not a readable"),
    ):
        with pytest.raises(SpecError, match=f"guest hog: disk xvda: .*{message}") as error:
            prepare(disks(GuestDisk(image=str(image))))
        assert "\n" not in str(error.value)


def test_captures_of_ports(tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcap"
    for nets, message in (
        ((GuestNet(pcap=str(tmp_path)),), f"interface eth0: pcap '{tmp_path}': write the path of a file"),
        (
            (GuestNet(pcap=str(tmp_path / "no" / "a.pcap")),),
            "write the path of a file in a folder that exists",
        ),
        ((GuestNet(pcap="/proc/version"),), "pcap /proc/version cannot be written"),
        (
            (GuestNet(pcap=str(kept)), GuestNet(name="eth1", pcap=f"{tmp_path}/./kept.pcap")),
            "is already that of guest hog: interface eth0; give it a file of its own",
        ),
    ):
        with pytest.raises(SpecError) as error:
            guest(nets=nets).run()
        assert message in str(error.value) and "\n" not in str(error.value)
    image = tmp_path / "disk"
    image.write_bytes(b"d" * 512)
    with pytest.raises(SpecError, match="disk is disk xvda of hog; write the path of another file"):
        guest(disks=(GuestDisk(image=str(image)),), nets=(GuestNet(pcap=f"{tmp_path}/./disk"),)).run()
    assert image.read_bytes() == b"d" * 512, "no input is overwritten"
    captured = guest(nets=(GuestNet(pcap=str(kept)),))
    with pytest.raises(SpecError, match="pcap needs a clock that counts instructions"):
        prepare(replace(captured, ns_per_instruction=None))
    with pytest.raises(SpecError, match="the simulator has no network"):
        captured.run(backend="sim")
    assert not kept.exists()


@pytest.mark.parametrize(
    "backend", [lambda m: prepare(m), lambda m: m.run(backend="sim")], ids=["qemu", "sim"]
)
@pytest.mark.parametrize("wrong, message", IMPOSSIBLE, ids=[message for _, message in IMPOSSIBLE])
def test_machines(backend: Callable[[Machine], object], wrong: Machine, message: str) -> None:
    with pytest.raises(SpecError) as error:
        backend(wrong)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_good_machine_is_good() -> None:
    assert set(REGISTRY.backends) == {"qemu", "sim"}
    prepare(GOOD)
    assert GOOD.run(backend="sim").exit_status in (0, 5)


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: GOOD.run(backend="sum"), "unknown back end 'sum'; did you mean 'sim'?"),
        (lambda: Costs({"pick": -1}), "cost pick=-1: write whole instructions from 0 up"),
        (lambda: Costs({"pick": "x"}), "cost pick=x: write whole instructions from 0 up"),  # type: ignore[dict-item]
        (lambda: Costs({"pik": 1}), "no cost 'pik'; did you mean 'pick'?"),
        (lambda: Timeline().at("soon", "pause", "hog"), "timeline"),
        (lambda: Timeline().at(-1, "pause", "hog"), "write whole nanoseconds from 0 up"),
        (lambda: Timeline().at(1, "pawse", "hog"), "'pawse'"),
    ],
)
def test_values(act: Callable[[], object], message: str) -> None:
    with pytest.raises(BulkheadError) as error:
        act()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_guest_is_the_same_class() -> None:
    assert Guest is Guest


def test_a_disk_that_cannot_be_saved_says_so_in_one_line(tmp_path: Path) -> None:
    image, kept = tmp_path / "disk", tmp_path / "kept"
    image.write_bytes(bytes(1024))
    blank = GuestDisk(size=1024, save=str(kept))
    for disks, message in (
        ((replace(blank, save=str(tmp_path)),), f"disk xvda: save '{tmp_path}': write the path of a file"),
        (
            (replace(blank, save=str(tmp_path / "no" / "a")),),
            "write the path of a file in a folder that exists",
        ),
        ((replace(blank, save="/proc/version"),), "save /proc/version cannot be written"),
        ((replace(blank, save="/dev/null"),), "save '/dev/null': write the path of a file"),
        ((replace(blank, save=7),), "guest hog: disk xvda: save=7 is not the path of a file"),  # type: ignore[arg-type]
        (
            (blank, replace(blank, name="xvdb", save=f"{tmp_path}/./kept")),
            f"disk xvdb: save {tmp_path}/./kept is already that of guest hog: disk xvda",
        ),
        (
            (GuestDisk(image=str(image)), replace(blank, name="xvdb", save=str(image))),
            f"disk xvdb: save {image} is disk xvda of hog; write the path of another file",
        ),
        (
            (GuestDisk(image=str(image), device="virtio", save=str(kept)),),
            "disk xvda: save: a virtio disk is its file already",
        ),
    ):
        with pytest.raises(SpecError) as raised:
            guest(disks=disks).run()
        assert message in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(SpecError, match="disk xvda: save: the simulator's disks have no contents"):
        guest(disks=(blank,)).run(backend="sim")
    assert not kept.exists()


def test_the_command_names_the_file_of_a_saved_disk() -> None:
    read = parse_guest("workload:disk,disk=1M,disk.xvdb=2M,save.xvdb=out.img")
    assert [(disk.name, disk.save) for disk in read.disks] == [("xvda", None), ("xvdb", "out.img")]
    with pytest.raises(SpecError, match="save: the guest has no disk xvdb; give it one with disk=64M"):
        parse_guest("workload:disk,disk=1M,save.xvdb=out.img")
