// What the scheduling side keeps of vCPUs and domains: whether they may run, and what the policy was told.
// Changed with the run lock held.
#pragma once

#include "abi/plugin.hpp"
#include "abi/types.hpp"
#include "hv/base/contract_types.hpp"

namespace bulkhead::hv {

// The scheduler's states (sched/contract.hpp); `offline` is not attached to the policy.
enum class RunState : std::uint8_t { offline, blocked, queued, running };

struct SchedulableVcpu {
    RunState state;
    PcpuId pcpu;        // where it runs or ran last
    std::uint32_t slot; // global number, selects its descriptor area and the policy's object
    // Reasons for and against running.
    std::uint32_t pause_count; // vCPU-level; the domain has its own
    bool initialised;          // has a context
    bool online;               // VCPUOP_up
    bool waiting;              // its guest asked to block or poll, and no event has come yet
    std::uint64_t affinity;    // bit n: may run on pCPU n
    RealTime runnable_since;
    RealTime run_since;
    Nanos other_work;    // hypervisor work for others done while this vCPU held the pCPU; not billed to it
    sched::Vcpu* policy; // the policy's part, base first; nullptr: not attached
};

struct SchedulableDomain {
    std::uint32_t pause_count;
    std::uint32_t weight, cap;
    bool has_values; // else the policy's defaults
    std::int64_t values[plugin::max_domain_parameters];
    sched::Domain* policy; // the policy's part, base first
};

} // namespace bulkhead::hv
