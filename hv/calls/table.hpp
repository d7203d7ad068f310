// From the registers of a guest's SYSCALL to a hypercall and back.
#pragma once

#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

struct Pcpu;

// The kernel of the vCPU, which is current on this pCPU, made a hypercall: number in rax.
void handle_hypercall(Pcpu& self, Vcpu& vcpu);

// One call out of the table, for handle_hypercall and for multicalls.
[[nodiscard]] HypercallAnswer invoke_hypercall(std::uint64_t number, Vcpu& caller,
                                               HypercallArguments& arguments);

} // namespace bulkhead::hv
