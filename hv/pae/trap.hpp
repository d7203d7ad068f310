// Exceptions of 32-bit guests, where they differ from those of 64-bit ones.
#pragma once

#include "abi/pae.hpp"
#include "hv/trap/guest_entries.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {

struct Pcpu;

// An exception, with its registers in the vCPU: made to look as those of 64-bit guests do, and handed to
// `take`, which takes those. `fault_address` is CR2 of a page fault.
void take_pae_trap(Pcpu& self, Vcpu& vcpu, std::uint64_t fault_address, void (*take)(Pcpu&, Vcpu&));

// What the common ways do for a 32-bit guest, which registers nothing that they know of.
void deliver_to_pae(Vcpu& vcpu, unsigned vector, std::optional<std::uint64_t> error);
[[nodiscard]] bool deliver_software_interrupt_to_pae(Vcpu& vcpu, unsigned vector);
void deliver_event_to_pae(Vcpu& vcpu);
void deliver_failsafe_to_pae(Vcpu& vcpu);

[[nodiscard]] constexpr TrapHandler handler_of(const pae_abi::TrapInfo& entry) {
    return {.address = entry.address,
            .selector = entry.cs,
            .privilege = static_cast<std::uint8_t>(entry.flags & 3),
            .mask_events = (entry.flags & 4) != 0};
}
// One entry of the guest's trap table.
[[nodiscard]] Result<> set_pae_trap_handler(Vcpu& vcpu, unsigned vector, const TrapHandler& handler);
void clear_pae_trap_handlers(Vcpu& vcpu);

// cr2 as the guest's kernel finds it.
[[nodiscard]] std::uint32_t& pae_fault_address(const Vcpu& vcpu);

} // namespace bulkhead::hv
