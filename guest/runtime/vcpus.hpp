// Further vCPUs of this guest. The runtime belongs to vCPU 0 alone: another one computes, with upcalls
// masked, and may call nothing of the runtime but plain hypercalls.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"

namespace bulkhead::guest {

// How many vCPUs the domain has.
[[nodiscard]] std::uint16_t vcpu_count();
// Has vCPU `id` run `entry`, which must not return, on a stack of one page.
[[nodiscard]] Status start_vcpu(VcpuId id, void (*entry)());

} // namespace bulkhead::guest
