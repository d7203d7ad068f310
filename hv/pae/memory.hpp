// Hypercalls by which a 32-bit guest changes its page tables, other than mmu_update, which has one form for
// all.
#pragma once

#include "abi/pae.hpp"
#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// One leaf of the address space, by virtual address. The entry comes in two registers.
struct PaeUpdateVaMapping {
    static constexpr unsigned number = __HYPERVISOR_update_va_mapping;
    static constexpr const char* name = "update_va_mapping";
    GuestAddress at;
    std::uint64_t entry;
    std::uint64_t flags; // UVMF_*, or a pointer to a mask of vCPUs
    static PaeUpdateVaMapping decode(const HypercallArguments& a) {
        return {GuestAddress{a[0]}, a[1] | a[2] << 32, a[3]};
    }
    HypercallResult run(HypercallContext& context) const;
};

// A batch of operations, preemptible between and within them. Clearing and copying pages is not yet
// supported.
struct PaeMmuextOp {
    static constexpr unsigned number = __HYPERVISOR_mmuext_op;
    static constexpr const char* name = "mmuext_op";
    GuestPtr<pae_abi::MmuextOp> operations;
    std::uint32_t count;          // with the continuation's bit
    GuestPtr<std::uint32_t> done; // may be null
    std::uint16_t owner;          // whose frames
    static PaeMmuextOp decode(const HypercallArguments& a) {
        return {GuestPtr<pae_abi::MmuextOp>{a[0]}, static_cast<std::uint32_t>(a[1]),
                GuestPtr<std::uint32_t>{a[2]}, static_cast<std::uint16_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
