// The hypervisor's side of sched/contract.hpp: keeps the policy's objects, calls its hooks under guard,
// checks its answers, and replaces it with the built-in fallback when it misbehaves. The dispatcher tells; it
// never sees a policy's type. Every function is called with the run lock held.
#pragma once

#include "abi/plugin.hpp"
#include "hv/base/error.hpp"
#include "hv/domain/vcpu.hpp"
#include "hv/plugin/loader.hpp"
#include "sched/contract.hpp"

namespace bulkhead::hv {
struct Pcpu;
}

namespace bulkhead::hv::scheduler {

// Makes `plugin` the policy (at boot, before any vCPU exists) with these parameter values; nullptr for the
// fallback alone.
void start(const LoadedPlugin* plugin, const std::int64_t* values);

// The same while guests exist: no vCPU runs, and the new policy gets every one of them. If it fails already
// here the fallback is in charge afterwards.
void replace(const LoadedPlugin& plugin, const std::int64_t* values);

// A vCPU enters and leaves the policy's world. `vcpu.state` must be blocked; attach sets vcpu.policy.
[[nodiscard]] Result<> attach(Vcpu& vcpu);
void detach(Vcpu& vcpu);

// The core has already changed vcpu.state; the policy is told. If it fails here, the fallback starts from the
// core's states. `now` was read just before; the hook's time counts from then.
void wake(Vcpu& vcpu, RealTime now);
RealTime deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now); // it ran; answers the time after
void withdraw(Vcpu& vcpu, sched::Stop why, RealTime now);                  // it was queued
void charge(Vcpu& vcpu, Nanos amount);
// The policy's idea of where a woken vCPU should run, unchecked.
[[nodiscard]] PcpuId place(Vcpu& vcpu, RealTime now);
void tune(Domain& domain);

struct Choice {
    Vcpu* vcpu; // nullptr: idle
    Nanos slice;
    RealTime at; // when the policy had answered
};
// For this pCPU.
[[nodiscard]] Choice pick(Pcpu& self, RealTime now);

// Changes when another policy takes over: what the old one answered does not count any more.
[[nodiscard]] const void* in_charge();

// No vCPU but the one that asks could run. True also without the run lock, but then perhaps a little late.
[[nodiscard]] bool is_alone();

// Ejects the policy if a vCPU of the domain has waited in the queue for longer than the starvation bound.
void check_starvation(const Domain& domain, RealTime now);

} // namespace bulkhead::hv::scheduler
