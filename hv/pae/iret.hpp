// The hypercall by which a 32-bit kernel returns from a handler.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

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
