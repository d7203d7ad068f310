// From the registers of a guest's SYSCALL to a hypercall and back.
#pragma once

#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

// The current vCPU's kernel made a hypercall: number in rax.
void handle_hypercall(Vcpu& vcpu);

// One call out of the table, for handle_hypercall and for multicalls.
[[nodiscard]] HypercallResult invoke_hypercall(std::uint64_t number, HypercallContext& context);

} // namespace bulkhead::hv
