// Entering the kernel of a 32-bit guest, which runs in ring 1. It is always entered by the flat segments of
// ring 1 that the ABI reserves, whatever it registered: no selector of a guest's can then fail or give it
// another ring.
#pragma once

#include "hv/base/error.hpp"
#include "hv/trap/bounce.hpp"

#include <optional>

namespace bulkhead::hv {

struct Bounce {
    std::uint64_t address; // the guest's entry point
    bool mask_events;      // set evtchn_upcall_mask on the way in
    std::optional<std::uint64_t> error{};
    bool data_selectors = false; // failsafe: the frame also holds ds, es, fs and gs
};

// Frame, from the new stack pointer up, in words of four bytes: [ds, es, fs, gs], [error], eip, cs, eflags,
// and, if an application was interrupted, esp and ss. Bits 16 to 23 of cs hold the event mask of before;
// eflags.IF is its opposite. Fails with bad_address, having changed nothing, if the entry point is null or
// the stack is not writable.
[[nodiscard]] Result<> bounce_pae(Vcpu& vcpu, const Bounce& target);

} // namespace bulkhead::hv
