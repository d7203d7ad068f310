// Where a guest's kernel wants to be entered: its stack, its callbacks and its handlers of exceptions.
#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::hv {

struct TrapHandler {
    std::uint64_t address; // 0: not registered
    std::uint16_t selector;
    // Least CPL that may raise it by INT n, as the guest sees levels (0 kernel, 3 user).
    std::uint8_t privilege;
    bool mask_events;
};

struct Callback {
    std::uint64_t address = 0;
    bool mask_events = false;
};

// What a 32-bit kernel registered. It has none of the others, so that a 64-bit guest's way asks for nothing.
struct PaeEntries {
    Callback event_callback, failsafe_callback;
    TrapHandler* handlers; // as below
};

struct GuestEntries {
    std::uint64_t kernel_sp;
    std::uint64_t kernel_ss;
    Callback event_callback, failsafe_callback, syscall_callback;
    Callback syscall32_callback, sysenter_callback;
    TrapHandler* handlers;         // 256 of them, from the domain's metadata quota
    std::atomic<bool> nmi_pending; // any vCPU of the domain sets it
    PaeEntries pae;
    bool in_nmi; // its handler runs, until the next iret: no other one is delivered
};

} // namespace bulkhead::hv
