// The event_channel_op hypercall: decodes and copies; the work is hv/event/bind.hpp's.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct EventChannelOp {
    static constexpr unsigned number = __HYPERVISOR_event_channel_op;
    static constexpr const char* name = "event_channel_op";
    std::uint32_t command;
    std::uint64_t argument;
    static EventChannelOp decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), a[1]};
    }
    HypercallResult run(HypercallContext& context) const;
};
static_assert(Hypercall<EventChannelOp>);

} // namespace bulkhead::hv
