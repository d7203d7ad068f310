// The end of the machine.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

// QEMU's debug-exit device turns `status` + 0x10 into its process exit code (v << 1 | 1); a machine without
// one halts.
[[noreturn]] void stop_machine(std::uint32_t status);

} // namespace bulkhead::hv
