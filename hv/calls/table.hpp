// From the registers of a guest's SYSCALL to a hypercall and back.
#pragma once

#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

// The current vCPU's kernel made a hypercall: number in rax.
void handle_hypercall(Vcpu& vcpu);

// One call out of the table, for handle_hypercall and for multicalls: what is for rax, a value or a negated
// error. If the context says `again` it is not for anyone: the call is to be made again with its arguments.
[[nodiscard]] std::int64_t invoke_hypercall(std::uint64_t number, HypercallContext& context);

} // namespace bulkhead::hv
