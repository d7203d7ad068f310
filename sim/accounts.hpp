// What every step of the simulated machine does to its accounts and to the clock of its pCPU, inlined into
// the steps: this is most of what a simulated decision costs.
#pragma once

#include "host/random.hpp"
#include "sim/machine.hpp"

#include <algorithm>

namespace bulkhead::sim {

// The state of the vCPU changes now: its time in the former one is accounted for.
inline void Machine::settle(Vcpu& vcpu, RealTime now) {
    const auto elapsed = (now - vcpu.since).count();
    if (vcpu.sched.state == RunState::queued)
        vcpu.domain->ledger.waiting_ns += elapsed;
    else if (vcpu.sched.state == RunState::blocked)
        vcpu.domain->ledger.blocked_ns += elapsed;
    vcpu.since = now;
}

inline void Machine::bill(Core& core, Domain* domain, std::int64_t cost) {
    now_ += Nanos{cost};
    const auto elapsed = (now_ - core.posted).count();
    core.posted = now_;
    if (domain == nullptr) {
        core.ledger.unbilled_ns += elapsed;
        return;
    }
    core.ledger.hypervisor_ns += elapsed;
    domain->ledger.hypervisor_ns += elapsed;
}

inline void Machine::bill_guest(Core& core, Vcpu& vcpu, RealTime until) {
    const Nanos elapsed = until - core.posted;
    core.posted = core.from = until;
    core.ledger.guest_ns += elapsed.count();
    vcpu.domain->ledger.guest_ns += elapsed.count();
    vcpu.worked_ += elapsed;
    vcpu.left = std::max(vcpu.left - elapsed, Nanos{});
}

inline void Machine::end_section(const Core& core) {
    const auto length = (now_ - core.entered).count();
    if (length <= longest_.ns)
        return;
    const std::uint16_t domain =
        core.current != nullptr ? core.current->domain->id.value() : trace::no_domain;
    longest_ = {
        length, static_cast<std::uint32_t>(landmark::SectionKind::dispatch), 0, domain, core.id.value(), 0};
}

inline bool Machine::may_run(const Vcpu& vcpu) {
    return !vcpu.waiting && vcpu.pauses == 0 && vcpu.domain->pauses == 0 && vcpu.domain->alive &&
           static_cast<bool>(vcpu.program);
}

inline void Machine::refresh(Core& core) {
    const RealTime irq = core.interrupted_at();
    if (core.current == nullptr) {
        core.next = std::max(irq, core.posted);
        return;
    }
    const Vcpu& vcpu = *core.current;
    const RealTime done =
        vcpu.step_.to_instant ? std::max(core.from, vcpu.step_.until) : core.from + vcpu.left;
    core.next = std::max(std::min(irq, done), core.from);
}

inline RealTime SchedulerWorld::now() const { return machine->for_policy(); }
inline std::uint64_t SchedulerWorld::random() const { return host::next_random(machine->random_); }
inline std::uint32_t SchedulerWorld::pcpu_count() const {
    return static_cast<std::uint32_t>(machine->cores_.size());
}
inline Core& SchedulerWorld::pcpu(PcpuId id) const { return machine->cores_[id.value()]; }
inline Vcpu* SchedulerWorld::vcpu_in_slot(std::uint32_t slot) const {
    return slot < machine->by_slot_.size() ? machine->by_slot_[slot] : nullptr;
}
inline void SchedulerWorld::serves(std::uint16_t work) const { machine->guard_.count_service(work); }
inline landmark::PolicyReport& SchedulerWorld::report() const { return machine->report_; }
inline void SchedulerWorld::request_dispatch(PcpuId pcpu) const { machine->poke(pcpu); }
inline bool SchedulerWorld::is_asked(PcpuId pcpu) const {
    return machine->cores_[pcpu.value()].need_dispatch;
}
template<class Visit>
void SchedulerWorld::for_each_vcpu(const Domain& domain, Visit visit) {
    for (Vcpu* vcpu : domain.vcpus)
        visit(*vcpu);
}

// Counted only: what they took follows from the costs.
inline void SchedulerWorld::count(sched::Hook hook, Nanos) const {
    ++machine->hooks_called_[static_cast<std::size_t>(hook)];
}

// What a hook takes comes from the cost model; the computer's own clock is never read.
// A hook that runs over its budget ends when that is used up. Policies in Python and the fallback are called
// without the guard.
template<class Return, class... Formal, class... Actual>
[[gnu::always_inline]] inline host::Outcome<Return>
SchedulerWorld::call(const Policy&, Nanos budget, sched::Hook hook, RealTime start,
                     Return (*function)(Formal...), Actual&&... actual) const {
    host::Outcome<Return> outcome;
    outcome.end = start + machine->hook_times_[static_cast<std::size_t>(hook)];
    if (machine->guarded_) [[likely]] {
        if (hook == sched::Hook::create)
            machine->guard_.set_budget(budget);
        const auto called = machine->guard_.call(function, actual...);
        if (hook == sched::Hook::create)
            machine->guard_.set_budget(sched::hook_budget);
        outcome.fault = called.fault;
        if (called.fault == plugin::Fault::over_budget) [[unlikely]]
            outcome.end = start + budget;
        if constexpr (!std::is_void_v<Return>)
            outcome.answer = called.answer;
        return outcome;
    }
    if constexpr (std::is_void_v<Return>)
        function(actual...);
    else
        outcome.answer = function(actual...);
    outcome.fault = std::exchange(machine->complaint_, plugin::Fault::none);
    return outcome;
}

} // namespace bulkhead::sim
