// Hypercalls by which a guest's kernel registers the targets of its exceptions, events and system calls, and
// returns from them.
#pragma once

#include "abi/pae.hpp"
#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/callback.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

// An array that ends with a zero address; a null pointer forgets all handlers. Long arrays are continued.
struct SetTrapTable {
    static constexpr unsigned number = __HYPERVISOR_set_trap_table;
    static constexpr const char* name = "set_trap_table";
    GuestPtr<trap_info> table;
    static SetTrapTable decode(const HypercallArguments& a) { return {GuestPtr<trap_info>{a[0]}}; }
    HypercallResult run(HypercallContext& context) const;
};

// The older form of three registrations at once; none takes effect unless all can.
struct SetCallbacks {
    static constexpr unsigned number = __HYPERVISOR_set_callbacks;
    static constexpr const char* name = "set_callbacks";
    std::uint64_t event, failsafe, syscall;
    static SetCallbacks decode(const HypercallArguments& a) { return {a[0], a[1], a[2]}; }
    HypercallResult run(HypercallContext& context) const;
};

struct CallbackOp {
    static constexpr unsigned number = __HYPERVISOR_callback_op;
    static constexpr const char* name = "callback_op";
    std::uint32_t command;
    std::uint64_t argument;
    static CallbackOp decode(const HypercallArguments& a) { return {static_cast<std::uint32_t>(a[0]), a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

// The same of a 32-bit guest. Selectors of callbacks are not used (hv/pae/bounce.hpp).
struct PaeSetTrapTable {
    static constexpr unsigned number = __HYPERVISOR_set_trap_table;
    static constexpr const char* name = "set_trap_table";
    GuestPtr<pae_abi::TrapInfo> table;
    static PaeSetTrapTable decode(const HypercallArguments& a) { return {GuestPtr<pae_abi::TrapInfo>{a[0]}}; }
    HypercallResult run(HypercallContext& context) const;
};

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

// Resumes the state that the kernel put on its stack (struct iret_context). State that no processor would
// resume goes to the failsafe callback; a stack that can't be read, or user mode without a user root, ends
// the domain.
struct Iret {
    static constexpr unsigned number = __HYPERVISOR_iret;
    static constexpr const char* name = "iret";
    static Iret decode(const HypercallArguments&) { return {}; }
    HypercallResult run(HypercallContext& context) const;
};

static_assert(Hypercall<SetTrapTable> && Hypercall<SetCallbacks> && Hypercall<CallbackOp> && Hypercall<Iret>);

} // namespace bulkhead::hv
