// Packets at ports whose traffic the world outside records (abi/capture.hpp).
#pragma once

#include "abi/types.hpp"

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

// At boot, if the machine can stand still with its clock; else nothing is ever captured.
void start_capture();
// At boot, for every port: 1 if its packets are to be recorded, else 0.
void capture_port(std::uint32_t port, std::uint32_t is_wanted);

// A packet at the port, which the switch was done with at `switched` and which is there at `at`. Its bytes
// lie in the hypervisor's image. Costs the same whether it is recorded or not. The drive lock is held.
void show_packet(std::uint32_t port, const std::byte* data, std::uint32_t bytes, RealTime switched,
                 RealTime at);

} // namespace bulkhead::hv
