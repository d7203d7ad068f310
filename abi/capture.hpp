// The capture page: how packets of the switch's ports reach the world outside. The hypervisor names a packet
// in its memory and writes to a doorbell port; the device behind it takes the byte only when the world
// outside has read the packet. So no time passes meanwhile, and no packet is lost. For a packet that nobody
// wants, the same instructions write to a port without a device: a capture changes no instant of the run.
#pragma once

#include "abi/steering.hpp"

namespace bulkhead::capture {

inline constexpr std::uint64_t physical_address = steering::physical_address + steering::pages * page_bytes;
// Two ports that captured packets use in turn, the first one the second (abi/steering.hpp), then the port
// without a device.
inline constexpr std::uint16_t doorbell = 0x524, silent_port = 0x526;

// Packets follow one another in the order in which the switch was done with them.
struct Page {
    std::uint64_t packets;  // captured so far; the machine stands still until the latest is read
    std::uint64_t physical; // of the packet's bytes, which lie together
    std::uint32_t bytes;
    std::uint32_t interface; // of the manifest's table: at whose port it is
    std::int64_t switched;   // when the switch was done with it, RealTime
    std::int64_t at; // when it is at the port: then, if the station sent it, else when it arrives there
};
static_assert(sizeof(Page) <= page_bytes);

} // namespace bulkhead::capture
