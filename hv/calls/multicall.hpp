// Several hypercalls in one.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Multicall {
    static constexpr unsigned number = __HYPERVISOR_multicall;
    static constexpr const char* name = "multicall";
    GuestPtr<multicall_entry_t> calls;
    std::uint32_t count;
    static Multicall decode(const HypercallArguments& a) {
        return {GuestPtr<multicall_entry_t>{a[0]}, static_cast<std::uint32_t>(a[1])};
    }
    // Runs the entries in order and writes each one's result back. Preemptible between entries and within
    // one. An iret ends the list, and the call's result is what its frame has for rax.
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
