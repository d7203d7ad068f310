// Hypercalls by which a 32-bit kernel registers handlers and callbacks, sets up segments, and returns from a
// handler.
#pragma once

#include "abi/pae.hpp"
#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// An array that ends with a zero address; a null pointer forgets all handlers. Long arrays are continued.
struct PaeSetTrapTable {
    static constexpr unsigned number = __HYPERVISOR_set_trap_table;
    static constexpr const char* name = "set_trap_table";
    GuestPtr<pae_abi::TrapInfo> table;
    static PaeSetTrapTable decode(const HypercallArguments& a) { return {GuestPtr<pae_abi::TrapInfo>{a[0]}}; }
    HypercallResult run(HypercallContext& context) const;
};

// Selectors of callbacks are not used (hv/pae/bounce.hpp).
struct PaeSetCallbacks {
    static constexpr unsigned number = __HYPERVISOR_set_callbacks;
    static constexpr const char* name = "set_callbacks";
    std::uint32_t event, failsafe;
    static PaeSetCallbacks decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[1]), static_cast<std::uint32_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct PaeCallbackOp {
    static constexpr unsigned number = __HYPERVISOR_callback_op;
    static constexpr const char* name = "callback_op";
    std::uint32_t command, argument;
    static PaeCallbackOp decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct PaeSetGdt {
    static constexpr unsigned number = __HYPERVISOR_set_gdt;
    static constexpr const char* name = "set_gdt";
    GuestPtr<const std::uint32_t> frames;
    std::uint32_t entries;
    static PaeSetGdt decode(const HypercallArguments& a) {
        return {GuestPtr<const std::uint32_t>{a[0]}, static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct PaeUpdateDescriptor {
    static constexpr unsigned number = __HYPERVISOR_update_descriptor;
    static constexpr const char* name = "update_descriptor";
    std::uint64_t at; // machine address
    std::uint64_t descriptor;
    static PaeUpdateDescriptor decode(const HypercallArguments& a) {
        return {a[0] | a[1] << 32, a[2] | a[3] << 32};
    }
    HypercallResult run(HypercallContext& context) const;
};

// Resumes what the kernel put on its stack: eax, eip, cs, eflags, and for ring 3 esp and ss. Ring 0 becomes
// ring 1. What no processor would resume goes to the failsafe callback; a stack that can't be read ends the
// domain.
struct PaeIret {
    static constexpr unsigned number = __HYPERVISOR_iret;
    static constexpr const char* name = "iret";
    static PaeIret decode(const HypercallArguments&) { return {}; }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
