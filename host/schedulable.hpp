// The scheduler's host's state of a world's vCPUs, domains and pCPUs. The world's own types have it as a
// member named `sched`; the host writes it, under its lock, and the world reads it.
#pragma once

#include "abi/plugin.hpp"
#include "host/changed_values.hpp"
#include "host/contract_types.hpp"

#include <boost/intrusive/list.hpp>

namespace bulkhead::host {

// The states of sched/contract.hpp, and one for a vCPU that is not attached.
enum class RunState : std::uint8_t { offline, blocked, queued, running };

// In whose hands a queued vCPU is.
enum class Hold : std::uint8_t {
    policy,      // queued with the policy
    control,     // queued with the host, or run by it, on the control plane's share
    interrupted, // the control plane has its pCPU meanwhile: it runs there for the policy
};

struct VcpuState {
    sched::Vcpu* policy = nullptr; // the active policy's part; nullptr while not attached
    std::uint32_t slot = 0;        // its number in the world, and in the policy's pool
    RunState state = RunState::offline;
    Hold hold = Hold::policy;
    bool has_share = false;                     // of the control plane
    PcpuId pcpu{};                              // where it runs or ran last, or is to start
    std::uint64_t affinity = ~std::uint64_t{0}; // bit n: may run on pCPU n
    std::uint64_t preferred = 0;                // bit n: had rather run on pCPU n; 0: none is preferred
    std::uint64_t asked = 0;   // bit n: pCPU n was asked to pick for it; means something in `offers`
    RealTime runnable_since{}; // of a queued vCPU: since when
    boost::intrusive::list_member_hook<> offers; // in the list of those for which more pCPUs are to be asked
    // In one of the host's two lists of attached vCPUs; a world may end with vCPUs attached.
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> place;
    std::uint32_t takeover = 0; // the number of the one since which the policy knows it
};

struct DomainState {
    sched::Domain* policy = nullptr; // the active policy's part; nullptr before its first vCPU is attached
    std::uint32_t slot = 0;          // its number in the policy's pool
    std::uint32_t weight = 0;        // relative share
    std::uint32_t cap = 0;           // per cent of one pCPU, 0 for none
    std::uint32_t share = 0;         // of the control plane: per cent of one pCPU where weights are ignored
    std::uint32_t takeover = 0;      // the number of the one that `policy` belongs to
    std::uint32_t attached = 0;      // vCPUs
    std::uint32_t counted = 0;       // its weight as the starvation monitor knows it
    RealTime tuned{};                // its weight changed last: a wait is judged by the weight since then
    bool has_values = false;         // of its parameters, else the policy's defaults
    std::int64_t values[plugin::max_domain_parameters] = {};
    ChangedValues changed;
};

struct PcpuState {
    sched::Pcpu* policy = nullptr;
    VcpuState* interrupted = nullptr; // the vCPU that goes on here after the control plane
    Nanos ran;                        // what it ran of this turn so far, unknown to the policy
    RealTime until{};                 // when the turn ends for the policy; after its kick: at once
};

} // namespace bulkhead::host
