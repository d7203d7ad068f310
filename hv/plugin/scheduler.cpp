#include "hv/plugin/scheduler.hpp"

#include "hv/base/late.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/plugin/scheduler_world.hpp"

namespace bulkhead::hv {

namespace scheduler {

namespace {
constinit Late<host::SchedulerHost<SchedulerWorld>> policy_host;
}

void start(const LoadedPlugin* plugin, const std::int64_t* values) {
    policy_host.make(SchedulerWorld{})
        .start(plugin != nullptr ? *plugin : SchedulerWorld::fallback(), values);
}

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    log("policy '%s' takes over\n", plugin.descriptor->name);
    if (policy_host->replace(plugin, values))
        return {};
    log("policy '%s' has no memory; the former one stays (give the machine more: --mem)\n",
        plugin.descriptor->name);
    return fail(Error::no_memory);
}

Result<> attach(Vcpu& vcpu) { return policy_host->attach(vcpu) ? Result<>{} : fail(Error::no_memory); }
void detach(Vcpu& vcpu) { policy_host->detach(vcpu); }
void wake(Vcpu& vcpu, RealTime now) { policy_host->wake(vcpu, now); }
void start_running(Vcpu& vcpu, PcpuId pcpu) { policy_host->start_running(vcpu, pcpu); }
RealTime stop(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
    return policy_host->stop(vcpu, why, ran, now);
}
void withdraw(Vcpu& vcpu, sched::Stop why, RealTime now) { policy_host->withdraw(vcpu, why, now); }
void charge(Vcpu& vcpu, Nanos amount) { policy_host->charge(vcpu, amount); }
void tune(Domain& domain) { policy_host->tune(domain); }
host::Change change(Domain& domain, const plugin::ValueChanges& changes) {
    return policy_host->change(domain, changes);
}
host::Share share(const Domain& domain) { return policy_host->share(domain); }
void set_affinity(Vcpu& vcpu, std::uint64_t pcpus) { policy_host->set_affinity(vcpu, pcpus); }
void set_preferred(Vcpu& vcpu, std::uint64_t pcpus) { policy_host->set_preferred(vcpu, pcpus); }
void idles(PcpuId pcpu) { policy_host->idles(pcpu); }
void resumes(PcpuId pcpu) { policy_host->resumes(pcpu); }
void check_starvation(Domain& domain, RealTime now) {
    const LockGuard run{run_lock()};
    policy_host->check_starvation(domain, now);
}
bool nobody_waits() { return policy_host->nobody_waits(); }

Choice pick(Pcpu& self, RealTime now, Vcpu* before) {
    const auto choice = policy_host->pick(self, now, before);
    return {choice.vcpu, choice.slice, choice.at};
}

} // namespace scheduler

} // namespace bulkhead::hv
