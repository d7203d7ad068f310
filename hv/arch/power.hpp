// Powering the machine off, and making it stand still.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

// QEMU's debug-exit device turns `status` + 0x10 into its process exit code (v << 1 | 1); a machine without
// one halts.
[[noreturn]] void stop_machine(std::uint32_t status);

// Writes to a port whose device takes its time: all pCPUs and the clock stand still until it has. Returns at
// once on a machine without such a device.
void ring_doorbell(std::uint16_t port);

} // namespace bulkhead::hv
