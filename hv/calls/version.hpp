// The xen_version hypercall.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct XenVersion {
    static constexpr unsigned number = __HYPERVISOR_xen_version;
    static constexpr const char* name = "xen_version";
    std::uint32_t command;
    std::uint64_t argument;
    static XenVersion decode(const HypercallArguments& a) { return {static_cast<std::uint32_t>(a[0]), a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};
static_assert(Hypercall<XenVersion>);

} // namespace bulkhead::hv
