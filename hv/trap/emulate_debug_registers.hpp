// A vCPU's debug registers, as its kernel sets them by hypercall or by MOV. Never lets a breakpoint watch the
// hypervisor.
#pragma once

#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

// Fails with permission on an address of the hypervisor's, on DR7's general-detect bit, and on a breakpoint
// on ports unless the guest set CR4.DE; with no_device on a number that has no register. 4 and 5 are other
// names of 6 and 7. Takes effect at once.
[[nodiscard]] Result<> set_debug_register(Vcpu& vcpu, unsigned number, std::uint64_t value);
// The breakpoints of DR7 that the processor is to watch. Those on ports are not: the hypervisor emulates a
// guest's use of ports, and has its own.
[[nodiscard]] std::uint64_t hardware_control(std::uint64_t control);
// Bits of DR6 for the breakpoints on ports that an access of `bytes` at `port` hits.
[[nodiscard]] std::uint64_t port_breakpoints_hit(const Vcpu& vcpu, std::uint16_t port, unsigned bytes);
[[nodiscard]] Result<std::uint64_t> get_debug_register(const Vcpu& vcpu, unsigned number);

} // namespace bulkhead::hv
