// The grant_table_op hypercall: batches of operations, each with its own status.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct GrantTableOp {
    static constexpr unsigned number = __HYPERVISOR_grant_table_op;
    static constexpr const char* name = "grant_table_op";
    std::uint32_t command;
    std::uint64_t operations;
    std::uint32_t count;
    static GrantTableOp decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), a[1], static_cast<std::uint32_t>(a[2])};
    }
    HypercallResult run(HypercallContext& context) const;
};
static_assert(Hypercall<GrantTableOp>);

// The same of a 32-bit guest.
struct PaeGrantTableOp {
    static constexpr unsigned number = __HYPERVISOR_grant_table_op;
    static constexpr const char* name = "grant_table_op";
    GrantTableOp call;
    static PaeGrantTableOp decode(const HypercallArguments& a) { return {GrantTableOp::decode(a)}; }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
