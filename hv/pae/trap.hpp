// Exceptions of 32-bit guests, where they differ from those of 64-bit ones.
#pragma once

#include "hv/trap/guest_entries.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {

// As handle_guest_trap. The processor tells the kernel, in ring 1, from its applications, in ring 3.
void handle_pae_trap(Vcpu& vcpu, std::uint64_t fault_address);

// What the common ways do for a 32-bit guest, which registers nothing that they know of.
void deliver_to_pae(Vcpu& vcpu, unsigned vector, std::optional<std::uint64_t> error);
[[nodiscard]] bool deliver_software_interrupt_to_pae(Vcpu& vcpu, unsigned vector);
void deliver_event_to_pae(Vcpu& vcpu);
void deliver_failsafe_to_pae(Vcpu& vcpu);

// One entry of the guest's trap table.
[[nodiscard]] Result<> set_pae_trap_handler(Vcpu& vcpu, unsigned vector, const TrapHandler& handler);
void clear_pae_trap_handlers(Vcpu& vcpu);

// cr2 as the guest's kernel finds it.
[[nodiscard]] std::uint32_t& pae_fault_address(const Vcpu& vcpu);

} // namespace bulkhead::hv
