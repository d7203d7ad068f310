// sched_op and set_timer_op: giving the pCPU up, ending, and being woken later.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/sched.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct SchedOp {
    static constexpr unsigned number = __HYPERVISOR_sched_op;
    static constexpr const char* name = "sched_op";
    std::uint32_t command;
    std::uint64_t argument;
    static SchedOp decode(const HypercallArguments& a) { return {static_cast<std::uint32_t>(a[0]), a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

// The same of a 32-bit guest.
struct PaeSchedOp {
    static constexpr unsigned number = __HYPERVISOR_sched_op;
    static constexpr const char* name = "sched_op";
    SchedOp call;
    static PaeSchedOp decode(const HypercallArguments& a) { return {SchedOp::decode(a)}; }
    HypercallResult run(HypercallContext& context) const;
};

// The deadline is in the guest's own time, ns; 0 stops the timer.
struct SetTimerOp {
    static constexpr unsigned number = __HYPERVISOR_set_timer_op;
    static constexpr const char* name = "set_timer_op";
    std::uint64_t deadline;
    static SetTimerOp decode(const HypercallArguments& a) { return {a[0]}; }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
