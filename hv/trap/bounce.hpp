// Entering a 64-bit guest kernel from outside: builds the frame that its handler finds on the kernel stack.
// Never trusts the stack pointer, and never leaves the guest with flags that only the hypervisor may decide.
#pragma once

#include "hv/trap/guest_entries.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

// Frame, from the new stack pointer up: rcx, r11, [ds, es, fs, gs], [error], rip, cs, rflags, rsp, ss. It
// lies on the kernel stack, or below the interrupted kernel's stack pointer; its upper end is aligned to 16
// bytes. Its cs has RPL 0 for an interrupted kernel and the event mask of before in bits 32 to 39; its
// rflags.IF is the opposite of that mask. Afterwards the vCPU is in kernel mode, rcx and r11 hold rip and
// rflags, so that SYSRET would be a correct way to resume. False, having changed nothing but the address
// space, if the stack is not writable. The target's address is not null.
[[nodiscard]] bool bounce(Vcpu& vcpu, Callback target);
[[nodiscard]] bool bounce_with_error(Vcpu& vcpu, Callback target, std::uint64_t error);
// The failsafe callback's frame, which also holds the vCPU's data selectors.
[[nodiscard]] bool bounce_with_selectors(Vcpu& vcpu, Callback target);

// The guest's event mask; shared memory that the guest may change at any time.
[[nodiscard]] bool events_masked(const Vcpu& vcpu);
void mask_events(Vcpu& vcpu, bool masked);

} // namespace bulkhead::hv
