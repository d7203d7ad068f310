// vcpu_op: bringing vCPUs up and down, their timers, and the areas a kernel registers to be told of its
// state.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/vcpu.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct VcpuOp {
    static constexpr unsigned number = __HYPERVISOR_vcpu_op;
    static constexpr const char* name = "vcpu_op";
    std::uint32_t command;
    std::uint32_t vcpu;
    std::uint64_t argument;
    static VcpuOp decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), static_cast<std::uint32_t>(a[1]), a[2]};
    }
    HypercallResult run(HypercallContext& context) const;
};

// Of a 32-bit guest.
struct PaeVcpuOp {
    static constexpr unsigned number = __HYPERVISOR_vcpu_op;
    static constexpr const char* name = "vcpu_op";
    VcpuOp call;
    static PaeVcpuOp decode(const HypercallArguments& a) { return {VcpuOp::decode(a)}; }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
