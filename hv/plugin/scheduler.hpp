// The scheduler policy as the dispatcher sees it: it tells what happened to a vCPU and asks which one runs
// next. Behind it stands host/scheduler_host.hpp. Every function is called with the run lock held.
#pragma once

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
// here the fallback is in charge afterwards. If memory is short the former policy stays.
[[nodiscard]] Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values);

// What host::SchedulerHost says of the functions of these names.
[[nodiscard]] Result<> attach(Vcpu& vcpu);
void detach(Vcpu& vcpu);
void wake(Vcpu& vcpu, RealTime now);
void start_running(Vcpu& vcpu, PcpuId pcpu);
RealTime stop(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now);
void withdraw(Vcpu& vcpu, sched::Stop why, RealTime now);
void charge(Vcpu& vcpu, Nanos amount);
void tune(Domain& domain);
[[nodiscard]] host::Change change(Domain& domain, const plugin::ValueChanges& changes);
[[nodiscard]] host::Share share(const Domain& domain);
void set_affinity(Vcpu& vcpu, std::uint64_t pcpus);
void set_preferred(Vcpu& vcpu, std::uint64_t pcpus);
void idles(PcpuId pcpu);
void resumes(PcpuId pcpu);
void check_starvation(Domain& domain, RealTime now);
[[nodiscard]] bool nobody_waits();

struct Choice {
    Vcpu* vcpu; // nullptr: idle
    Nanos slice;
    RealTime at; // when the policy had answered
};
// For this pCPU. `before` is the vCPU that has just stopped here, or nullptr.
[[nodiscard]] Choice pick(Pcpu& self, RealTime now, Vcpu* before);

} // namespace bulkhead::hv::scheduler
