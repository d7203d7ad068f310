// How vCPUs become runnable and stop being it, from anywhere in the machine, and which halted pCPU hears of
// it.
#include "sim/accounts.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::sim {

using sched::Stop;
using trace::Event;

void Machine::signal(Vcpu& vcpu) {
    if (vcpu.state == RunState::gone)
        return;
    vcpu.signalled_ = true;
    vcpu.upcall = true;
    wake(vcpu, WakeCause::event);
}

void Machine::wake(Vcpu& vcpu, WakeCause cause) {
    if (!vcpu.waiting)
        return;
    vcpu.waiting = false;
    update(vcpu, cause);
}

// Brings the policy's view in line with the reasons for and against running.
void Machine::update(Vcpu& vcpu, WakeCause cause) {
    const bool runnable = may_run(vcpu);
    switch (vcpu.state) {
    case RunState::gone:
        return;
    case RunState::blocked:
        if (runnable)
            enqueue(vcpu, cause);
        return;
    case RunState::queued:
        if (!runnable)
            leave_queue(vcpu, Stop::paused);
        return;
    case RunState::running:
        if (!runnable)
            poke(vcpu.pcpu);
        return;
    }
}

void Machine::enqueue(Vcpu& vcpu, WakeCause cause) {
    change(vcpu, RunState::queued, now_);
    ++able_;
    ++vcpu.domain->ledger.wakes;
    trace(where(), Event::wake, &vcpu, static_cast<std::uint64_t>(cause), 0);
    call().wake(policy_, *vcpu.policy, for_policy());
    offer(vcpu);
}

void Machine::leave_queue(Vcpu& vcpu, Stop why) {
    change(vcpu, RunState::blocked, now_);
    --able_;
    call().deschedule(policy_, *vcpu.policy, why, Nanos{}, for_policy());
}

void Machine::poke(std::uint16_t id) {
    Core& core = cores_[id];
    core.need_dispatch = true;
    if (&core == active_)
        return;
    core.poked = std::min(core.poked, now_);
    refresh(core);
}

// The policy says which of several; the others are asked one after another while the vCPU stays queued.
void Machine::offer_one_of(std::uint64_t able, Vcpu& vcpu) {
    const bool several = std::popcount(able) > 1;
    const PcpuId hint = several ? call().place(policy_, *vcpu.policy, for_policy()) : vcpu.policy->last_pcpu;
    const bool useful = hint.value() < cores_.size() && (able >> hint.value() & 1) != 0;
    const auto best = useful ? hint.value() : static_cast<std::uint16_t>(std::countr_zero(able));
    vcpu.asked = std::uint64_t{1} << best;
    if (several)
        unplaced_.push_back(&vcpu);
    poke(best);
}

// `core` has just been offered what is queued and halts.
void Machine::offer_rest(const Core& core) {
    std::erase_if(unplaced_, [&](Vcpu* vcpu) {
        if (vcpu->state != RunState::queued)
            return true;
        vcpu->asked |= std::uint64_t{1} << core.id;
        const std::uint64_t left = halted_ & vcpu->policy->affinity & ~vcpu->asked;
        if (left == 0)
            return true;
        const auto next = static_cast<std::uint16_t>(std::countr_zero(left));
        vcpu->asked |= std::uint64_t{1} << next;
        poke(next);
        return false;
    });
}

// What was wrong with pick's answer.
void Machine::refuse(const sched::Decision& answer, const Vcpu* vcpu, const Core& core) {
    const char* what = "slice out of bounds";
    if (answer.vcpu == nullptr)
        what = "idle for less than the least slice";
    else if (vcpu == nullptr)
        what = "not a vCPU, or one that is gone";
    else if (vcpu->state == RunState::running)
        what = "runs already";
    else if (vcpu->state != RunState::queued)
        what = "not runnable";
    else if (!answer.vcpu->may_run_on(PcpuId{core.id}))
        what = "not allowed on this pCPU";
    eject(Hook::pick, plugin::Fault::wrong_answer, "pick on pCPU " + std::to_string(core.id) + ": " + what);
}

void Machine::pause(Domain& domain) {
    ++domain.pauses;
    trace(where(), Event::domain_pause, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0, 0);
    for (Vcpu* vcpu : domain.vcpus)
        update(*vcpu, WakeCause::unpause);
}

void Machine::unpause(Domain& domain) {
    if (domain.pauses == 0)
        return;
    --domain.pauses;
    trace(where(), Event::domain_unpause, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0, 0);
    for (Vcpu* vcpu : domain.vcpus)
        update(*vcpu, WakeCause::unpause);
}

void Machine::pause(Vcpu& vcpu) {
    ++vcpu.pauses;
    update(vcpu, WakeCause::unpause);
}

void Machine::unpause(Vcpu& vcpu) {
    if (vcpu.pauses == 0)
        return;
    --vcpu.pauses;
    update(vcpu, WakeCause::unpause);
}

void Machine::shut_down(Domain& domain, std::uint32_t reason) {
    domain.alive = false;
    domain.ledger.shutdown_reason = reason;
    trace(where(), Event::domain_shutdown, domain.vcpus.front(), reason, 0);
    for (Vcpu* vcpu : domain.vcpus)
        update(*vcpu, WakeCause::unpause);
    if (on_shutdown)
        on_shutdown(*this, domain);
}

// Stops a running vCPU at once, wherever it runs.
void Machine::take_off(Vcpu& vcpu, Stop why) {
    Core& core = cores_[vcpu.pcpu];
    const RealTime here = now_;
    if (&core != active_) {
        now_ = std::max(now_, core.from);
        bill_guest(core, vcpu, now_);
    }
    stop_current(core, why);
    now_ = here;
    poke(core.id);
}

void Machine::remove(Vcpu& vcpu) {
    Core& core = cores_[vcpu.pcpu];
    if (vcpu.state == RunState::running)
        take_off(vcpu, Stop::gone);
    else if (vcpu.state == RunState::queued)
        leave_queue(vcpu, Stop::gone);
    if (core.loaded == &vcpu)
        core.loaded = nullptr;
    core.timers.cancel(vcpu.timer);
    refresh(core);
    call().detach(policy_, *vcpu.policy);
    --vcpu.domain->policy->vcpus;
    by_number_[*incumbent_->number_of(vcpu.policy)] = nullptr;
    incumbent_->forget(*vcpu.policy);
    change(vcpu, RunState::gone, now_);
}

void Machine::destroy(Domain& domain) {
    const Vcpu* first = domain.vcpus.empty() ? nullptr : domain.vcpus.front();
    trace(where(), Event::domain_destroy, first, 0, 0);
    domain.alive = false;
    domain.ledger.state = landmark::Account::gone;
    for (Vcpu* vcpu : domain.vcpus)
        if (vcpu->state != RunState::gone)
            remove(*vcpu);
    trace(where(), Event::domain_gone, first, 0, 0);
}

void Machine::set_share(Domain& domain, std::uint32_t weight, std::uint32_t cap) {
    domain.weight = domain.ledger.weight = domain.policy->weight = weight;
    domain.cap = domain.policy->cap = cap;
    call().tune(policy_, *domain.policy);
}

void Machine::set_affinity(Vcpu& vcpu, std::uint64_t affinity) {
    pause(vcpu);
    if (vcpu.state == RunState::running) // affinity may change only while it is blocked
        take_off(vcpu, Stop::paused);
    vcpu.affinity = vcpu.policy->affinity = affinity;
    unpause(vcpu);
}

} // namespace bulkhead::sim
