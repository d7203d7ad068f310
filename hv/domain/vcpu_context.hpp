// A vCPU's first state, from the ABI's vcpu_guest_context. Everything in it comes from a guest and is checked
// here.
#pragma once

#include "hv/domain/vcpu.hpp"
#include "hv/mm/guest_memory.hpp"

namespace bulkhead::hv {

// Takes the registers, callbacks, trap table, segment bases and page-table root out of `context`, validates
// the root, and marks the vCPU initialised. May answer restart; nothing of the vCPU runs before it succeeds.
[[nodiscard]] Result<> load_context(Vcpu& vcpu, const vcpu_guest_context_t& context);
[[nodiscard]] Result<> load_context_from_guest(Vcpu& vcpu, GuestPtr<vcpu_guest_context_t> where);

} // namespace bulkhead::hv
