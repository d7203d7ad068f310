"""The texts of `bulkhead boot`'s options as values. Every mistake is a SpecError of one line that says what to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant
from bulkhead.base.text import parse_duration, parse_integer, parse_size, split_pairs, suggest
from bulkhead.linux.kernel import DEBIAN_KERNEL
from bulkhead.model.spec import (
    MODEL_DEVICE,
    MODEL_PREFIX,
    USER,
    VIRTIO,
    WORKLOAD_PREFIX,
    Guest,
    GuestDisk,
    GuestNet,
    Placement,
)

EXAMPLE = "--guest kernel=/usr/lib/grub-xen/grub-x86_64-xen.bin,mem=64M"
NAME_LENGTH = 15
LENGTH_WORDS = {"auto": 0, "off": None}  # of an instruction
LONGEST_LENGTH = 64 << 10  # ns
POLICY_FIELDS = ("sched", "memctl", "ringctl")  # FIELD.NAME is a domain parameter of that policy
MOST_PCPUS = constant("landmark.max_pcpus")
INT64 = (-(1 << 63), (1 << 63) - 1)


def _number(least: int, most: int) -> Callable[[str, str], int]:
    return lambda text, what: parse_integer(text, what, least, most)


def _plain(text: str, what: str) -> str:
    if not text:
        raise SpecError(f"{what} is empty")
    return text


def _any(text: str, what: str) -> str:
    return text


def _instant(text: str, what: str) -> int:
    return 0 if text == "0" else parse_duration(text, what)


def parse_pcpus(text: str, what: str) -> tuple[int, ...]:
    """pCPUs of "0-1" or "0+2" or "0-1+3"."""
    found: list[int] = []
    for part in text.split("+"):
        first, dash, last = part.partition("-")
        low = parse_integer(first, what, 0, MOST_PCPUS - 1)
        high = parse_integer(last, what, 0, MOST_PCPUS - 1) if dash else low
        if high < low:
            raise SpecError(f"{what}: '{part}' runs backwards; write {high}-{low}")
        found.extend(range(low, high + 1))
    return tuple(sorted(set(found)))


def parse_disk(text: str, what: str) -> GuestDisk:
    """A size, like 64M, or the path of an image; with :virtio the image itself is the disk, with :ro it is read-only."""
    place, read_only = _without(text, "ro")
    place, is_real = _without(place, VIRTIO)
    if not place:
        raise SpecError(f"{what}: write a size or the path of an image, for example disk=64M")
    if place[0].isdigit() and not is_real and not Path(place).exists():
        return GuestDisk(size=parse_size(place, what), read_only=read_only)
    return GuestDisk(image=place, read_only=read_only, device=VIRTIO if is_real else MODEL_DEVICE)


def _without(text: str, flag: str) -> tuple[str, bool]:
    """The text without :FLAG at its end, and whether that was there."""
    rest = text.removesuffix(f":{flag}")
    return rest, rest != text


def parse_net(text: str, what: str) -> GuestNet:
    """The name of a network, then :user if it reaches outside, then an address, as in lan:user:00:16:3e:00:00:01."""
    switch, colon, rest = text.partition(":")
    if not switch or (colon and not rest):
        raise SpecError(f"{what}: write the name of a network, for example net=lan")
    if rest == USER or rest.startswith(f"{USER}:"):
        return GuestNet(switch=switch, mac=rest.removeprefix(USER).removeprefix(":") or None, uplink=USER)
    return GuestNet(switch=switch, mac=rest or None)


# Option of --guest: field of Guest, how to read it.
PLACES = ("affinity", "preferred")
GUEST_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "kernel": ("kernel", _plain),
    "initrd": ("initrd", _plain),
    "cmdline": ("cmdline", _any),
    "abi": ("abi", _plain),
    "mem": ("memory", parse_size),
    "maxmem": ("max_memory", parse_size),
    "vcpus": ("vcpus", _number(1, 32)),
    "name": ("name", _plain),
    "weight": ("weight", _number(1, 65535)),
    "cap": ("cap", _number(0, 3200)),
    "time": ("time_mode", _plain),
    "on_crash": ("on_crash", _plain),
    "affinity": ("affinity", parse_pcpus),  # also affinity.N and preferred.N, of vCPU N
    "preferred": ("preferred", parse_pcpus),
    "release": ("release", _plain),
    "group": ("group", _plain),
    "start": ("start", _instant),
    "phase": ("phase", _instant),
}

DOM0_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "mem": ("dom0_memory", parse_size),
    "weight": ("dom0_weight", _number(1, 65535)),
    "share": ("dom0_share", _number(0, 100)),
    "affinity": ("dom0_affinity", parse_pcpus),
}
DOM0_EXAMPLE = "--dom0 weight=512,sched.length=500"


def _default_name(kernel: str, taken: Iterable[str]) -> str:
    """Workload or file name, cut to length; a number is appended until no other guest has that name."""
    own = next((prefix for prefix in (WORKLOAD_PREFIX, MODEL_PREFIX) if kernel.startswith(prefix)), None)
    base = Path(kernel.removeprefix(own or "")).stem
    if base.startswith("vmlinuz") or kernel == DEBIAN_KERNEL:
        base = "linux"
    base = (
        "".join(c if c.isalnum() and c.isascii() or c in "_.-" else "_" for c in base)[:NAME_LENGTH]
        or "guest"
    )
    names, name, number = set(taken), base, 2
    while name in names:
        name = f"{base[: NAME_LENGTH - len(str(number))]}{number}"
        number += 1
    return name


def _placed(
    before: tuple[Placement, ...], vcpu: int, place: Mapping[str, tuple[int, ...]]
) -> tuple[Placement, ...]:
    """The placements with one more, or with more said of one."""
    own = next((one for one in before if one.vcpu == vcpu), Placement(vcpu))
    return (*(one for one in before if one.vcpu != vcpu), replace(own, **place))


def _saved(option: str, disks: tuple[GuestDisk, ...], files: Mapping[str, str]) -> tuple[GuestDisk, ...]:
    """The disks with the files that get their contents, by the disk's name."""
    for name in files:
        if name not in [disk.name for disk in disks]:
            raise SpecError(f"{option}: save: the guest has no disk {name}; give it one with disk=64M")
    return tuple(replace(disk, save=files.get(disk.name)) for disk in disks)


def _captured(option: str, nets: tuple[GuestNet, ...], captures: Mapping[str, str]) -> tuple[GuestNet, ...]:
    """The interfaces with their captures' files, by the interface's name."""
    for name in captures:
        if name not in [net.name for net in nets]:
            raise SpecError(f"{option}: pcap: the guest has no interface {name}; give it one with net=lan")
    return tuple(replace(net, pcap=captures.get(net.name)) for net in nets)


def _read(
    option: str,
    pairs: Mapping[str, str],
    known: Mapping[str, tuple[str, Callable[[str, str], Any]]],
    policies: Mapping[str, str],
) -> dict[str, Any]:
    """Fields and their values: of `known` options, and of parameters POLICY.NAME, which go to the field of that policy."""
    values: dict[str, Any] = {}
    captures: dict[str, str] = {}
    saved: dict[str, str] = {}
    for key, value in pairs.items():
        if known is GUEST_OPTIONS and key.partition(".")[0] == "disk":
            disk = replace(parse_disk(value, f"{option} {key}"), name=key.partition(".")[2] or "xvda")
            values["disks"] = (*values.get("disks", ()), disk)
            continue
        if known is GUEST_OPTIONS and key.partition(".")[0] in PLACES and "." in key:
            name, _, vcpu = key.partition(".")
            place = {name: parse_pcpus(value, f"{option} {key}")}
            values["placements"] = _placed(
                values.get("placements", ()), parse_integer(vcpu, f"{option} {key}", 0, 31), place
            )
            continue
        if known is GUEST_OPTIONS and key.partition(".")[0] == "net":
            net = replace(parse_net(value, f"{option} {key}"), name=key.partition(".")[2] or "eth0")
            values["nets"] = (*values.get("nets", ()), net)
            continue
        if known is GUEST_OPTIONS and key.partition(".")[0] == "pcap":
            captures[key.partition(".")[2] or "eth0"] = value
            continue
        if known is GUEST_OPTIONS and key.partition(".")[0] == "save":
            saved[key.partition(".")[2] or "xvda"] = value
            continue
        policy, dot, parameter = key.partition(".")
        if dot and policy in policies:
            given = values.setdefault(policies[policy], {})
            given[parameter] = parse_integer(value, f"{option} {key}", *INT64)
            continue
        if key not in known:
            raise SpecError(f"{option}: unknown option '{key}'{suggest(key, known)}")
        field, read = known[key]
        values[field] = read(value, f"{option} {key}")
    if captures:
        values["nets"] = _captured(option, values.get("nets", ()), captures)
    if saved:
        values["disks"] = _saved(option, values.get("disks", ()), saved)
    return values


def parse_guest(text: str, taken: Iterable[str] = ()) -> Guest:
    """One --guest. `taken` are the names that are already used. workload:NAME stands for kernel=workload:NAME."""
    if text.startswith(WORKLOAD_PREFIX):
        text = f"kernel={text}"
    own = {policy: policy for policy in POLICY_FIELDS}
    values = _read("--guest", split_pairs(text, "--guest", EXAMPLE), GUEST_OPTIONS, own)
    if "kernel" not in values:
        raise SpecError(f"--guest: kernel=PATH is missing; write for example {EXAMPLE}")
    values.setdefault("name", _default_name(values["kernel"], taken))
    return Guest(**values)


def parse_guests(texts: list[str]) -> tuple[Guest, ...]:
    """All --guest options; guests without a name get different ones."""
    if not texts:
        raise SpecError(f"boot needs at least one guest; write for example {EXAMPLE}")
    guests: list[Guest] = []
    for text in texts:
        guests.append(parse_guest(text, [guest.name for guest in guests]))
    return tuple(guests)


def parse_dom0(text: str) -> dict[str, Any]:
    """--dom0: domain 0's part of a Machine, as keyword arguments."""
    pairs = split_pairs(text, "--dom0", DOM0_EXAMPLE)
    return _read("--dom0", pairs, DOM0_OPTIONS, {"sched": "dom0_sched"})


def parse_length(text: str) -> int | None:
    """The length of an instruction in ns: 0 for "auto", None for "off"."""
    if text in LENGTH_WORDS:
        return LENGTH_WORDS[text]
    return parse_integer(text, "--ns-per-instruction", 1, LONGEST_LENGTH)
