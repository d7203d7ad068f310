// Where network interfaces and their domains stand, and the memory of an interface. The drive lock is held
// for every call.
#pragma once

#include "device/switch.hpp"
#include "hv/io/net_port.hpp"

namespace bulkhead::hv {

inline constexpr std::uint32_t max_net_queues = 2 * device::Switch::max_ports; // two of each port

// State of an interface for the domain, in pages of its quota, not connected yet. `values` are the ring
// policy's domain parameters, nullptr for its defaults; the domain's first interface decides. Fails:
// no_space, no_memory; restart: make the same call again, and no other one before it has ended.
[[nodiscard]] Result<NetPort*> make_port(Domain& domain, std::uint32_t number, std::uint16_t group,
                                         const std::int64_t* values);
// It is connected to nothing.
void free_port(NetPort& port);
// nullptr if there is none; any number may come.
[[nodiscard]] NetQueue* queue_by_number(std::uint32_t number);

} // namespace bulkhead::hv
