"""Network interfaces of guests: their networks' numbers, their addresses, and what is wrong with them."""

from __future__ import annotations

import re

from bulkhead.base.errors import SpecError
from bulkhead.model.machine import Machine
from bulkhead.model.spec import USER, GuestNet

MOST_PORTS = 256  # of the switch, device/switch.hpp
MOST_INDEX = 7  # of an interface of a guest: eth0 to eth7
OWN_PREFIX = 0x00163E_000000  # Xen's part of the Ethernet addresses
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
NETWORK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")
GROUP = 1 << 40  # the bit of an address that names several stations


def index_of(net: GuestNet) -> int:
    """The number of the interface in its guest: 0 is eth0."""
    return int(net.name.removeprefix("eth"))


def mac_of(guest: int, net: GuestNet) -> int:
    """The address of an interface of the guest with that number; unless it is given, it is made of both numbers."""
    if net.mac is not None:
        return int(net.mac.replace(":", ""), 16)
    return OWN_PREFIX + (guest + 1 << 4) + index_of(net)


def network_numbers(machine: Machine) -> dict[str, int]:
    """Each network of the machine and its number, in the order in which guests name them."""
    names = dict.fromkeys(net.switch for guest in machine.guests for net in guest.nets)
    return {name: number for number, name in enumerate(names)}


def uplink_network(machine: Machine) -> int:
    """The number of the network that reaches outside; there is one."""
    return network_numbers(machine)[machine.uplinks[0][1].switch]


def _check_net(what: str, net: GuestNet) -> None:
    if not isinstance(net, GuestNet):
        raise SpecError(f"{what}: nets: {net!r} is not a GuestNet")
    if net.name not in [f"eth{index}" for index in range(MOST_INDEX + 1)]:
        raise SpecError(f"{what}: interface {net.name}: write a name from eth0 to eth{MOST_INDEX}")
    if not NETWORK_NAME.fullmatch(net.switch):
        raise SpecError(
            f"{what}: interface {net.name}: network '{net.switch}': write a letter, then at most 14 letters, digits, "
            "'_' or '-'"
        )
    if net.pcap is not None and not isinstance(net.pcap, str):
        raise SpecError(f"{what}: interface {net.name}: pcap={net.pcap!r} is not the path of a file")
    if net.uplink not in (None, USER):
        raise SpecError(
            f"{what}: interface {net.name}: uplink '{net.uplink}' is unknown; write {USER}, or leave it out"
        )
    if net.mac is None:
        return
    if not MAC.fullmatch(net.mac):
        raise SpecError(
            f"{what}: interface {net.name}: address '{net.mac}': write six pairs of hexadecimal digits, "
            "for example 00:16:3e:00:00:01"
        )
    if not 0 < int(net.mac.replace(":", ""), 16) or int(net.mac.replace(":", ""), 16) & GROUP:
        raise SpecError(
            f"{what}: interface {net.name}: address {net.mac} is not that of one station; the first byte must be even"
        )


def check_interfaces(machine: Machine) -> None:
    """SpecError, one line, for an interface that cannot be."""
    owners: dict[int, str] = {}
    for number, guest in enumerate(machine.guests):
        names = [net.name for net in guest.nets if isinstance(net, GuestNet)]
        for net in guest.nets:
            _check_net(f"guest {guest.name}", net)
            if names.count(net.name) > 1:
                raise SpecError(
                    f"guest {guest.name}: two interfaces are named {net.name}; give them different names"
                )
            mac, owner = mac_of(number, net), f"guest {guest.name}: interface {net.name}"
            if mac in owners:
                raise SpecError(f"{owner} has the address of {owners[mac]}; give it another mac")
            owners[mac] = owner
    if len(owners) > MOST_PORTS:
        raise SpecError(
            f"the machine has {len(owners)} network interfaces; at most {MOST_PORTS} are supported"
        )
