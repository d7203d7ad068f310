// SchedulerHost: vCPUs that wake, run and stop, which pCPU is asked to pick, and the checks of the answers.
// Part of scheduler_host.hpp.
#pragma once

#include "host/scheduler_host.hpp"

namespace bulkhead::host {

template<class World>
inline void SchedulerHost<World>::wake(Vcpu& vcpu, RealTime now) {
    VcpuState& state = vcpu.sched;
    state.state = RunState::queued;
    state.runnable_since = now;
    monitor_.woke();
    if (state.has_share && takes_on(vcpu, now)) [[unlikely]]
        return;
    if (!knows(state)) [[unlikely]]
        return introduce(vcpu);
    state.policy->last_pcpu = state.pcpu;
    static_cast<void>(call(Hook::wake, now, hooks().wake, object(), *state.policy, now));
    if (idle_ != 0 && state.state == RunState::queued)
        offer(vcpu);
}

template<class World>
inline void SchedulerHost<World>::start_running(Vcpu& vcpu, PcpuId pcpu) {
    vcpu.sched.state = RunState::running;
    vcpu.sched.pcpu = pcpu;
}

template<class World>
inline RealTime SchedulerHost<World>::stop(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
    VcpuState& state = vcpu.sched;
    if (care_ != 0) [[unlikely]] {
        const auto stopped = with_care(vcpu, why, ran, now);
        if (stopped.unheard)
            return this->world().now();
        ran = stopped.ran;
    }
    const bool runnable = sched::still_runnable(why);
    state.state = runnable ? RunState::queued : RunState::blocked;
    state.runnable_since = now;
    if (!runnable)
        monitor_.slept();
    const auto called =
        call(Hook::deschedule, now, hooks().deschedule, object(), *state.policy, why, ran, now);
    return called.well() ? called.end : this->world().now(); // the fallback was put in place meanwhile
}

template<class World>
inline void SchedulerHost<World>::withdraw(Vcpu& vcpu, sched::Stop why, RealTime now) {
    VcpuState& state = vcpu.sched;
    state.state = RunState::blocked;
    monitor_.slept();
    Nanos ran{};
    if ((care_ & control) != 0) [[unlikely]] {
        const auto stopped = releases(vcpu);
        if (stopped.unheard)
            return;
        ran = stopped.ran;
    }
    if (!knows(state)) [[unlikely]]
        return;
    static_cast<void>(
        call(Hook::deschedule, now, hooks().deschedule, object(), *state.policy, why, ran, now));
}

template<class World>
inline void SchedulerHost<World>::charge(Vcpu& vcpu, Nanos amount) {
    if (vcpu.sched.policy != nullptr && knows(vcpu.sched))
        static_cast<void>(
            call(Hook::charge, this->world().now(), hooks().charge, object(), *vcpu.sched.policy, amount));
}

// Asks an idle pCPU that the queued vCPU may use to pick: the policy's choice among several, else the one it
// ran on last. The others are asked one after another while it stays queued (see idles).
template<class World>
void SchedulerHost<World>::offer(Vcpu& vcpu) {
    VcpuState& state = vcpu.sched;
    const auto able = idle_ & state.affinity;
    auto candidates = able;
    for (auto left = able; left != 0; left &= left - 1)
        if (this->world().is_asked(PcpuId{static_cast<std::uint16_t>(std::countr_zero(left))}))
            candidates &= ~(left & -left);
    candidates = best_of(candidates, state);
    auto best = state.pcpu;
    if ((candidates & (candidates - 1)) != 0) {
        const auto now = this->world().now();
        const auto called = call(Hook::place, now, hooks().place, object(), *state.policy, now);
        if (!called.well()) // the fallback is in charge, and every pCPU was asked
            return;
        best = called.answer;
    }
    if ((able & (able - 1)) != 0 && !state.offers.is_linked())
        offers_.push_back(state);
    state.asked = 0;
    if (candidates == 0) // those that were asked for others will pick in any case
        return;
    if (best.value() >= this->world().pcpu_count() || (candidates & bit(best)) == 0)
        best = PcpuId{static_cast<std::uint16_t>(std::countr_zero(candidates))};
    state.asked = bit(best);
    this->world().request_dispatch(best);
}

// The next idle pCPU that may have this queued vCPU is asked, unless it was asked anyhow.
template<class World>
void SchedulerHost<World>::ask_next(VcpuState& state) {
    const auto left = idle_ & state.affinity & ~state.asked;
    if (left == 0)
        return drop_offers(state);
    for (auto rest = left; rest != 0; rest &= rest - 1)
        if (this->world().is_asked(PcpuId{static_cast<std::uint16_t>(std::countr_zero(rest))}))
            return;
    const PcpuId next{static_cast<std::uint16_t>(std::countr_zero(best_of(left, state)))};
    state.asked |= bit(next);
    this->world().request_dispatch(next);
}

template<class World>
inline void SchedulerHost<World>::idles(PcpuId pcpu) {
    set_idle(pcpu, true);
    for (auto at = offers_.begin(); at != offers_.end();) {
        VcpuState& state = *at++;
        state.asked |= bit(pcpu);
        if (state.state == RunState::queued)
            ask_next(state);
        else
            drop_offers(state);
    }
}

// The pCPU was asked for some vCPU, and runs `chosen`: the next idle one is asked for the others.
template<class World>
void SchedulerHost<World>::pass_offers_on(PcpuId pcpu, const VcpuState& chosen) {
    for (auto at = offers_.begin(); at != offers_.end();) {
        VcpuState& state = *at++;
        if (&state == &chosen || state.state != RunState::queued)
            drop_offers(state);
        else if (state.asked == 0 || (state.asked & bit(pcpu)) != 0)
            ask_next(state);
    }
}

// The vCPU that the answer names, if it may run: one of the policy's objects, queued, allowed on this pCPU,
// and given a slice within bounds. nullptr if anything is wrong.
template<class World>
inline typename World::Vcpu* SchedulerHost<World>::chosen(const sched::Decision& answer, PcpuId where) {
    const auto slot = this->active().pools[SchedulerKind::vcpus].index_of(answer.vcpu);
    Vcpu* vcpu = this->world().vcpu_in_slot(slot);
    if (vcpu == nullptr || vcpu->sched.policy != answer.vcpu || vcpu->sched.state != RunState::queued ||
        vcpu->sched.hold != Hold::policy)
        return nullptr;
    if ((vcpu->sched.affinity & bit(where)) == 0)
        return nullptr;
    return answer.slice >= sched::least_slice && answer.slice <= sched::longest_slice ? vcpu : nullptr;
}

// What is wrong with an answer that cannot be carried out, in words.
template<class World>
const char* SchedulerHost<World>::wrong(const sched::Decision& answer, PcpuId where) {
    if (answer.vcpu == nullptr)
        return "idle for less than the least slice";
    const auto slot = this->active().pools[SchedulerKind::vcpus].index_of(answer.vcpu);
    const Vcpu* vcpu = this->world().vcpu_in_slot(slot);
    if (vcpu == nullptr || vcpu->sched.policy != answer.vcpu)
        return "not a vCPU, or one that is gone";
    if (vcpu->sched.state == RunState::running || vcpu->sched.hold == Hold::interrupted)
        return "a vCPU that runs already";
    if (vcpu->sched.state != RunState::queued)
        return "a vCPU that is not runnable";
    if ((vcpu->sched.affinity & bit(where)) == 0)
        return "a vCPU that is not allowed on this pCPU";
    return "a slice out of bounds";
}

// How long the policy may leave this pCPU idle; nothing if a vCPU has waited for it long enough.
template<class World>
inline Nanos SchedulerHost<World>::longest_idle(PcpuId where, RealTime now) {
    if (!monitor_.idling_is_suspect(working() - 1) || this->is_built_in()) [[likely]]
        return sched::Decision::until_kicked;
    return longest_idle_beside_waiting(where, now);
}

// Among thousands that caps hold back, a vCPU that waits is found after some looks.
template<class World>
Nanos SchedulerHost<World>::longest_idle_beside_waiting(PcpuId where, RealTime now) {
    auto waited = Nanos{-1};
    const VcpuState* const last = known_.empty() ? nullptr : &known_.back();
    bool all = last == nullptr;
    for (std::uint32_t i = 0; i < looked_at_once && !all; ++i) {
        const VcpuState& state = known_.front();
        known_.splice(known_.end(), known_, known_.begin());
        all = &state == last;
        const Vcpu* const vcpu = this->world().vcpu_in_slot(state.slot);
        if (state.state == RunState::queued && state.hold == Hold::policy &&
            (state.affinity & bit(where)) != 0 && vcpu != nullptr && vcpu->domain->sched.cap == 0)
            waited = std::max(waited, monitor_.waited(state.runnable_since, now));
    }
    if (waited < Nanos{})
        return all ? sched::Decision::until_kicked : longest_hesitation;
    return waited < longest_hesitation ? longest_hesitation : Nanos{};
}

template<class World>
inline auto SchedulerHost<World>::pick(Pcpu& pcpu, RealTime now, Vcpu* before) -> Choice {
    for (;; now = this->world().now()) { // again if the fallback must answer
        if (care_ != 0) [[unlikely]] {
            const auto resumed = before_pick(pcpu, now);
            now = this->world().now();
            if (resumed.vcpu != nullptr)
                return {resumed.vcpu, resumed.slice, now};
        }
        const auto called = call(Hook::pick, now, hooks().pick, object(), *pcpu.sched.policy, now);
        const sched::Decision& answer = called.answer;
        if (!called.well()) [[unlikely]]
            continue;
        Choice choice{nullptr, answer.slice, called.end};
        if (answer.vcpu == nullptr && answer.slice >= sched::least_slice) {
            const auto longest = longest_idle(pcpu.id, called.end);
            if (longest < sched::least_slice) [[unlikely]] {
                eject(Hook::pick, plugin::Fault::starvation, called.end, "idle beside a vCPU that waits");
                continue;
            }
            choice.slice = std::min(answer.slice, longest);
        } else {
            choice.vcpu = chosen(answer, pcpu.id);
            if (choice.vcpu == nullptr) [[unlikely]] {
                if (chose_control(answer.vcpu, called.end))
                    continue;
                eject(Hook::pick, plugin::Fault::wrong_answer, called.end, wrong(answer, pcpu.id));
                continue;
            }
            pcpu.sched.until = called.end + answer.slice;
        }
        if (care_ != 0) [[unlikely]] {
            choice.slice = after_pick(choice.vcpu, choice.slice, choice.at, pcpu.id);
            if (choice.slice == Nanos{}) // ejected
                continue;
        }
        if (idle_ != 0 && before != nullptr && before != choice.vcpu &&
            before->sched.state == RunState::queued) {
            const Set* const chooser = &this->active();
            offer(*std::exchange(before, nullptr));
            if (&this->active() != chooser) // ejected: its choice is in its successor's queue again
                continue;
            choice.at = this->world().now();
        }
        if (choice.vcpu != nullptr) {
            choice.vcpu->sched.policy->last_pcpu = pcpu.id;
            monitor_.runs(choice.slice);
            if (!offers_.empty()) [[unlikely]]
                pass_offers_on(pcpu.id, choice.vcpu->sched);
        }
        return choice;
    }
}

// A domain waits while one of its vCPUs is queued, none runs, and none has run or woken. A vCPU waits for a
// turn of each vCPU of its domain that was runnable meanwhile.
template<class World>
void SchedulerHost<World>::check_starvation(Domain& domain, RealTime now) {
    if (this->is_built_in())
        return;
    const VcpuState* oldest = nullptr;
    RealTime latest = domain.sched.tuned;
    bool served = false;
    this->world().for_each_vcpu(domain, [&](const Vcpu& vcpu) {
        const VcpuState& state = vcpu.sched;
        if (state.policy == nullptr || !knows(state))
            return;
        served |= state.state == RunState::running;
        latest = std::max(latest, state.runnable_since);
        if (state.state == RunState::queued &&
            (oldest == nullptr || state.runnable_since < oldest->runnable_since))
            oldest = &state;
    });
    if (oldest == nullptr)
        return;
    std::int64_t turns = 0;
    this->world().for_each_vcpu(domain, [&](const Vcpu& vcpu) {
        const VcpuState& state = vcpu.sched;
        turns += state.state == RunState::queued || state.state == RunState::running ||
                 (state.state == RunState::blocked && state.runnable_since > oldest->runnable_since);
    });
    const auto bound = monitor_.bound(domain.sched.weight);
    if (!served && monitor_.waited(latest, now) > bound)
        eject(Hook::pick, plugin::Fault::starvation, now, "a domain was starved");
    else if (monitor_.waited(std::max(oldest->runnable_since, domain.sched.tuned), now) > bound * turns)
        eject(Hook::pick, plugin::Fault::starvation, now, "a vCPU was starved");
}

} // namespace bulkhead::host
