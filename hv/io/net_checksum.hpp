// The checksum of a TCP or UDP packet whose sender has left it to others.
#pragma once

#include <cstddef>
#include <span>

namespace bulkhead::hv {

// Writes it into the packet, an Ethernet frame with at most one VLAN tag. False, and nothing is written, if
// the packet is neither TCP nor UDP, is a fragment, has IPv6 extension headers, or ends before its headers
// say.
[[nodiscard]] bool complete_checksum(std::span<std::byte> packet);

} // namespace bulkhead::hv
