// What devices and memory may do with the machine: have alarms, work on a domain's behalf, wake it, leave
// records.
#include "sim/accounts.hpp"

#include <algorithm>

namespace bulkhead::sim {

// As in the hypervisor, the pCPU that sets another instant gets the alarm.
void Machine::set_alarm(Deadline& alarm, RealTime at) {
    at = std::max(at, now_);
    if (alarm.line != nullptr && alarm.deadline == at)
        return; // on whatever pCPU it is
    const auto former =
        std::ranges::find_if(cores_, [&alarm](const Core& core) { return &core.own_timers == alarm.line; });
    Core& core = active_ != nullptr ? *active_ : cores_.front();
    core.timers.arm(alarm, core.own_timers, at);
    if (former != cores_.end() && &*former != active_)
        refresh(*former);
    if (&core != active_)
        refresh(core);
}

// The vCPU on the pCPU meanwhile is not billed for this work; the domain's account with the scheduler is.
void Machine::work_for(Domain* domain, Nanos amount) {
    Core& core = active_ != nullptr ? *active_ : cores_.front();
    bill(core, domain, amount.count());
    if (core.current == nullptr || core.current->domain == domain)
        return;
    core.current->other_work += amount;
    if (domain != nullptr && domain->vcpus.front()->sched.state != RunState::offline)
        host_.charge(*domain->vcpus.front(), amount);
}

void Machine::send_event(const Domain& domain) { signal(*domain.vcpus.front()); }

void Machine::record(trace::Event event, const Domain* domain, std::uint64_t a, std::uint64_t b) {
    trace(where(), event, domain != nullptr ? domain->vcpus.front() : nullptr, a, b);
}

} // namespace bulkhead::sim
