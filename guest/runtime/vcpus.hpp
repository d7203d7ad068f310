// Further vCPUs of this guest. The runtime belongs to vCPU 0 alone: another one computes, with upcalls
// masked, and may call nothing of the runtime but plain hypercalls.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"
#include "guest/runtime/width.hpp"

#include <xen/xen.h>

namespace bulkhead::guest {

// How many vCPUs the domain has.
[[nodiscard]] std::uint16_t vcpu_count();
// Has vCPU `id` run `entry`, which must not return, on a stack of one page.
[[nodiscard]] Status start_vcpu(VcpuId id, void (*entry)());

// Where a vCPU starts, by the ABI's names of either width.
inline void set_start(cpu_user_regs& registers, Word entry, Word stack) {
#ifdef __i386__
    registers.eip = entry;
    registers.esp = stack;
#else
    registers.rip = entry;
    registers.rsp = stack;
#endif
}

} // namespace bulkhead::guest
