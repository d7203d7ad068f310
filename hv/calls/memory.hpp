// memory_op: a domain's reservation of frames, and what it may know about memory as a whole.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/memory.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

// Preemptible between extents: the number of the first extent that isn't done travels in the upper bits of
// the command.
struct MemoryOp {
    static constexpr unsigned number = __HYPERVISOR_memory_op;
    static constexpr const char* name = "memory_op";
    std::uint64_t command; // XENMEM_*, with the start extent above
    std::uint64_t argument;
    static MemoryOp decode(const HypercallArguments& a) { return {a[0], a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

// Of a 32-bit guest.
struct PaeMemoryOp {
    static constexpr unsigned number = __HYPERVISOR_memory_op;
    static constexpr const char* name = "memory_op";
    std::uint32_t command;
    std::uint32_t argument;
    static PaeMemoryOp decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
