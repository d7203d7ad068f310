// A vCPU's first state, from the ABI's vcpu_guest_context. Everything in it comes from a guest and is checked
// here.
#pragma once

#include "hv/domain/vcpu.hpp"
#include "hv/mm/guest_memory.hpp"

namespace bulkhead::hv {

// Takes the trap table, the descriptor and page tables, the registers, callbacks and segment bases out of
// `context`, which must not be initialised yet, and marks the vCPU initialised. Works in steps of a few
// microseconds and may answer restart after each; nothing of the vCPU runs before it succeeds. The guest's
// memory is read anew by each call, and what a call has read is what it checks and uses.
[[nodiscard]] Result<> load_context(Vcpu& vcpu, const vcpu_guest_context_t& context);
[[nodiscard]] Result<> load_context_from_guest(Vcpu& vcpu, GuestPtr<vcpu_guest_context_t> where);
// Of a 32-bit guest, whose structure lies at `where`.
[[nodiscard]] Result<> load_pae_context_from_guest(Vcpu& vcpu, std::uint64_t where);

} // namespace bulkhead::hv
