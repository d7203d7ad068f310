// The scheduling state of vCPUs and domains: whether they may run, and the state that was reported to the
// policy. Changed with the run lock held.
#pragma once

#include "abi/types.hpp"
#include "host/schedulable.hpp"

namespace bulkhead::hv {

using host::RunState;

// The slot selects the descriptor area, too.
struct SchedulableVcpu : host::VcpuState {
    // Reasons for and against running.
    std::uint32_t pause_count; // vCPU-level; the domain has its own
    bool initialised;          // has a context
    bool online;               // VCPUOP_up
    bool waiting;              // its guest asked to block or poll, and no event has come yet
    RealTime run_since;
    Nanos other_work;  // hypervisor work for others done while this vCPU held the pCPU; not billed to it
    Nanos switch_work; // of the switch that it caused last, of which the policy is told with its next stop
};

struct SchedulableDomain : host::DomainState {
    std::uint32_t pause_count;
};

} // namespace bulkhead::hv
