// How vCPUs become runnable and stop being it, from anywhere in the machine.
#include "sim/accounts.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::sim {

using sched::Stop;
using trace::Event;

void Machine::signal(Vcpu& vcpu) {
    if (vcpu.sched.state == RunState::offline)
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
    switch (vcpu.sched.state) {
    case RunState::offline:
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
            poke(vcpu.sched.pcpu);
        return;
    }
}

void Machine::enqueue(Vcpu& vcpu, WakeCause cause) {
    settle(vcpu, now_);
    ++vcpu.domain->ledger.wakes;
    ++woken_;
    trace(where(), Event::wake, &vcpu, static_cast<std::uint64_t>(cause), 0);
    host_.wake(vcpu, for_policy());
}

void Machine::leave_queue(Vcpu& vcpu, Stop why) {
    settle(vcpu, now_);
    host_.withdraw(vcpu, why, for_policy());
}

void Machine::poke(PcpuId id) {
    Core& core = cores_[id.value()];
    core.need_dispatch = true;
    if (&core != active_ || !core.halted)
        ++kicks_;
    if (&core == active_)
        return;
    core.poked = std::min(core.poked, now_ + rest_of_wake_);
    refresh(core);
}

void Machine::pause(Domain& domain) {
    if (std::exchange(domain.paused, true))
        return;
    trace(where(), Event::domain_pause, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0, 0);
    hold(domain);
}

void Machine::hold(Domain& domain) {
    ++domain.pauses;
    for (Vcpu* vcpu : domain.vcpus)
        update(*vcpu, WakeCause::unpause);
}

void Machine::unpause(Domain& domain) {
    if (!std::exchange(domain.paused, false))
        return;
    trace(where(), Event::domain_unpause, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0, 0);
    let_go(domain);
}

void Machine::let_go(Domain& domain) {
    --domain.pauses;
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
    Core& core = cores_[vcpu.sched.pcpu.value()];
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
    Core& core = cores_[vcpu.sched.pcpu.value()];
    if (vcpu.sched.state == RunState::running)
        take_off(vcpu, Stop::gone);
    else if (vcpu.sched.state == RunState::queued)
        leave_queue(vcpu, Stop::gone);
    if (core.loaded == &vcpu)
        core.loaded = nullptr;
    host::TimerQueue::cancel(vcpu.timer);
    refresh(core);
    settle(vcpu, now_);
    host_.detach(vcpu);
}

void Machine::destroy(Domain& domain) {
    const Vcpu* first = domain.vcpus.empty() ? nullptr : domain.vcpus.front();
    trace(where(), Event::domain_destroy, first, 0, 0);
    domain.alive = false;
    domain.ledger.state = landmark::Account::gone;
    for (Vcpu* vcpu : domain.vcpus)
        if (vcpu->sched.state != RunState::offline)
            remove(*vcpu);
    trace(where(), Event::domain_gone, first, 0, 0);
}

void Machine::set_share(Domain& domain, std::uint32_t weight, std::uint32_t cap) {
    domain.sched.weight = domain.ledger.weight = weight;
    domain.sched.cap = cap;
    host_.tune(domain);
}

host::Change Machine::change(Domain& domain, const plugin::ValueChanges& changes) {
    return host_.change(domain, changes);
}

void Machine::set_affinity(Vcpu& vcpu, std::uint64_t affinity) {
    pause(vcpu);
    if (vcpu.sched.state == RunState::running) // affinity may change only while it is blocked
        take_off(vcpu, Stop::paused);
    host_.set_affinity(vcpu, affinity);
    unpause(vcpu);
}

} // namespace bulkhead::sim
