// mmuext_op: pins, roots, flushes, descriptor tables and page operations.
#pragma once

#include "abi/pae.hpp"
#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// A batch. Preemptible between and within operations.
struct MmuextOp {
    static constexpr unsigned number = __HYPERVISOR_mmuext_op;
    static constexpr const char* name = "mmuext_op";
    GuestPtr<mmuext_op_t> operations;
    std::uint32_t count;          // with the continuation's bit
    GuestPtr<std::uint32_t> done; // may be null
    std::uint16_t owner;          // whose frames
    static MmuextOp decode(const HypercallArguments& a) {
        return {GuestPtr<mmuext_op_t>{a[0]}, static_cast<std::uint32_t>(a[1]), GuestPtr<std::uint32_t>{a[2]},
                static_cast<std::uint16_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

// Of a 32-bit guest, whose vCPUs have one root for kernel and applications.
struct PaeMmuextOp {
    static constexpr unsigned number = __HYPERVISOR_mmuext_op;
    static constexpr const char* name = "mmuext_op";
    GuestPtr<pae_abi::MmuextOp> operations;
    std::uint32_t count;
    GuestPtr<std::uint32_t> done;
    std::uint16_t owner;
    static PaeMmuextOp decode(const HypercallArguments& a) {
        return {GuestPtr<pae_abi::MmuextOp>{a[0]}, static_cast<std::uint32_t>(a[1]),
                GuestPtr<std::uint32_t>{a[2]}, static_cast<std::uint16_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
