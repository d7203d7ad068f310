// The way from a network of the machine's switch to the world outside: a port of the switch without a guest,
// and a virtio device behind it. The drive lock is held for every call but those at boot.
#pragma once

#include "hv/io/net_port.hpp"

namespace bulkhead::hv::uplink {

// At boot, after the interfaces: the network gets a port to the device in that slot of the PCI bus.
void start(std::uint32_t slot, std::uint32_t network);
[[nodiscard]] bool is_running();

// A packet for a port without a guest: it goes out if that is the uplink and its segments are cut. A checksum
// that its sender left to others is completed. Its bytes are at `data`.
void send(std::uint32_t port, const SentPacket& packet, const std::byte* data);
// A piece of what comes from outside, billed to a guest of the network. False if there is nothing.
[[nodiscard]] bool step(RealTime now);
// When the device is to be looked at.
[[nodiscard]] RealTime next_work();

} // namespace bulkhead::hv::uplink
