// SchedulerHost: the control plane's share under a policy that ignores weights. The host itself runs the
// control plane's vCPU while its share lasts. For the policy that vCPU is blocked or still queued meanwhile,
// and the vCPU whose pCPU it has goes on running; so no policy needs to know. Beyond the share the vCPU is
// queued with the policy like any other. Part of scheduler_host.hpp.
#pragma once

#include "host/scheduler_host.hpp"

namespace bulkhead::host {

// Of these pCPUs, the one where it ran last, or the first one that its affinity allows.
template<class World>
PcpuId SchedulerHost<World>::home_of(const VcpuState& state, std::uint64_t among) {
    const auto able = state.affinity & among;
    return (able & bit(state.pcpu)) != 0 ? state.pcpu
                                         : PcpuId{static_cast<std::uint16_t>(std::countr_zero(able))};
}

// The control plane's vCPU wakes: on its share, or with the policy until the share suffices again. Then the
// turn on its pCPU is to end no later.
template<class World>
bool SchedulerHost<World>::takes_on(Vcpu& vcpu, RealTime now) {
    if (!gives_share_)
        return false;
    VcpuState& state = vcpu.sched;
    const bool at_once = share_.suffices(now);
    (at_once ? kept_ : owed_) = &vcpu;
    cares(control, true);
    const auto all = ~std::uint64_t{0} >> (64 - this->world().pcpu_count());
    const auto home = home_of(state, at_once && (state.affinity & idle_) != 0 ? idle_ : all);
    if (at_once)
        state.hold = Hold::control;
    if (at_once || this->world().pcpu(home).sched.until > share_.suffices_at(now))
        this->world().request_dispatch(home);
    return at_once;
}

// A vCPU has stopped.
template<class World>
auto SchedulerHost<World>::with_care(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) -> Stopped {
    Stopped stopped{false, ran};
    if ((care_ & control) != 0)
        stopped = set_aside(vcpu, why, ran, now);
    if (!stopped.unheard && !knows(vcpu.sched)) // it has run since before the policy was in charge
        introduce(vcpu);
    return stopped;
}

// The policy hears nothing of the control plane's own turn, nor of a turn that is only interrupted for it.
template<class World>
auto SchedulerHost<World>::set_aside(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) -> Stopped {
    VcpuState& state = vcpu.sched;
    if (state.hold == Hold::control) {
        end_control_turn(vcpu, why, now);
        return {true, ran};
    }
    PcpuState& where = this->world().pcpu(state.pcpu).sched;
    ran += std::exchange(where.ran, Nanos{});
    const bool runnable = sched::still_runnable(why);
    if (state.has_share) {
        owed_ = runnable && gives_share_ ? &vcpu : nullptr;
    } else if (runnable && why != sched::Stop::yielded && knows(state) &&
               where.until - now >= sched::least_slice) {
        state.state = RunState::queued;
        state.runnable_since = now;
        state.hold = Hold::interrupted;
        where.interrupted = &state;
        where.ran = ran;
        return {true, ran};
    }
    look_for_control();
    return {false, ran};
}

template<class World>
void SchedulerHost<World>::end_control_turn(Vcpu& vcpu, sched::Stop why, RealTime now) {
    VcpuState& state = vcpu.sched;
    share_.spend(now - control_since_, now);
    state.runnable_since = now;
    if (!sched::still_runnable(why)) {
        state.state = RunState::blocked;
        state.hold = Hold::policy;
        monitor_.slept();
        leave_place(now);
    } else {
        state.state = RunState::queued;
        if (gives_share_ && why != sched::Stop::yielded && share_.left(now) >= sched::least_slice)
            kept_ = &vcpu;
        else
            hand_to_policy(vcpu, now);
    }
    look_for_control();
}

// The policy gets the control plane's queued vCPU, as one that wakes, unless it is queued there.
template<class World>
void SchedulerHost<World>::hand_to_policy(Vcpu& vcpu, RealTime now) {
    VcpuState& state = vcpu.sched;
    state.hold = Hold::policy;
    owed_ = gives_share_ ? &vcpu : nullptr;
    if (!knows(state))
        return introduce(vcpu);
    if (std::exchange(has_place_, false))
        return;
    state.policy->last_pcpu = state.pcpu;
    static_cast<void>(call(Hook::wake, now, hooks().wake, object(), *state.policy, now));
    if (idle_ != 0 && state.state == RunState::queued)
        offer(vcpu);
}

// The control plane's vCPU is queued with the policy no longer.
template<class World>
void SchedulerHost<World>::leave_place(RealTime now) {
    if (std::exchange(has_place_, false))
        static_cast<void>(call(Hook::deschedule, now, hooks().deschedule, object(),
                               *control_plane_->sched.policy, sched::Stop::paused, Nanos{}, now));
}

// Whether the policy has chosen the control plane's vCPU, which kept its place there and has its share now:
// then it leaves its place.
template<class World>
bool SchedulerHost<World>::chose_control(const sched::Vcpu* vcpu, RealTime now) {
    if (!has_place_ || vcpu != control_plane_->sched.policy)
        return false;
    leave_place(now);
    return true;
}

// A queued vCPU is withdrawn. For the policy the control plane's may be blocked already, and one whose turn
// was interrupted has run.
template<class World>
auto SchedulerHost<World>::releases(Vcpu& vcpu) -> Stopped {
    VcpuState& state = vcpu.sched;
    const auto hold = std::exchange(state.hold, Hold::policy);
    if (kept_ == &vcpu)
        kept_ = nullptr;
    if (owed_ == &vcpu)
        owed_ = nullptr;
    Nanos ran{};
    if (hold == Hold::interrupted) {
        PcpuState& where = this->world().pcpu(state.pcpu).sched;
        where.interrupted = nullptr;
        ran = std::exchange(where.ran, Nanos{});
    }
    look_for_control();
    return {hold == Hold::control && !std::exchange(has_place_, false), ran};
}

// The control plane on its share, or else the vCPU that it has interrupted here.
template<class World>
auto SchedulerHost<World>::before_pick(Pcpu& pcpu, RealTime now) -> Resumed {
    if ((care_ & hands_over) != 0) {
        introduce_some();
        now = this->world().now();
    }
    if ((care_ & control) == 0)
        return {};
    reclaim(pcpu.id, now);
    if (kept_ == nullptr || (kept_->sched.affinity & bit(pcpu.id)) == 0)
        return go_on(pcpu, now);
    control_since_ = this->world().now();
    return {std::exchange(kept_, nullptr), std::max(share_.left(control_since_), sched::least_slice)};
}

// What the slice of an answer is in truth; 0: the policy was ejected for it.
template<class World>
Nanos SchedulerHost<World>::after_pick(Vcpu* vcpu, Nanos slice, RealTime at, PcpuId pcpu) {
    if ((care_ & hands_over) != 0) {
        slice = sched::least_slice; // the next step comes soon
        if (vcpu != nullptr && !knows(vcpu->sched)) {
            eject(Hook::pick, plugin::Fault::wrong_answer, at, "a vCPU that it was not told of");
            return {};
        }
    }
    return (care_ & control) != 0 ? shortened(vcpu, slice, at, pcpu) : slice;
}

// Takes the control plane's vCPU, which keeps its place with the policy, once its share suffices.
template<class World>
void SchedulerHost<World>::reclaim(PcpuId pcpu, RealTime now) {
    if (!is_owed() || (owed_->sched.affinity & bit(pcpu)) == 0 || !share_.suffices(now))
        return;
    VcpuState& state = owed_->sched;
    kept_ = std::exchange(owed_, nullptr);
    state.hold = Hold::control;
    drop_offers(state);
    has_place_ = knows(state);
}

// The interrupted turn goes on, unless it is over by now or the policy wants this pCPU back.
template<class World>
auto SchedulerHost<World>::go_on(Pcpu& pcpu, RealTime now) -> Resumed {
    PcpuState& here = pcpu.sched;
    if (here.interrupted == nullptr)
        return {};
    VcpuState& state = *std::exchange(here.interrupted, nullptr);
    Vcpu& vcpu = *this->world().vcpu_in_slot(state.slot);
    state.hold = Hold::policy;
    if (const auto left = here.until - now; left >= sched::least_slice)
        return {&vcpu, shortened(&vcpu, left, now, pcpu.id)};
    const auto why = here.until == RealTime{} ? sched::Stop::preempted : sched::Stop::slice_end;
    static_cast<void>(call(Hook::deschedule, now, hooks().deschedule, object(), *state.policy, why,
                           std::exchange(here.ran, Nanos{}), now));
    if (idle_ != 0 && state.state == RunState::queued)
        offer(vcpu);
    look_for_control();
    return {};
}

// A turn ends when the control plane's vCPU is to be taken back from the policy.
template<class World>
Nanos SchedulerHost<World>::shortened(const Vcpu* vcpu, Nanos slice, RealTime at, PcpuId pcpu) {
    if (!is_owed() || vcpu == owed_ || home_of(owed_->sched, ~std::uint64_t{0}) != pcpu)
        return slice;
    return std::min(slice, std::max(share_.suffices_at(at) - at, sched::least_slice));
}

// Another policy is in charge: no turn goes on.
template<class World>
void SchedulerHost<World>::control_takeover() {
    gives_share_ =
        (this->descriptor().traits & static_cast<std::uint32_t>(plugin::Trait::ignores_weights)) != 0;
    for (std::uint32_t i = 0; i < this->world().pcpu_count(); ++i) {
        PcpuState& state = this->world().pcpu(PcpuId{static_cast<std::uint16_t>(i)}).sched;
        if (state.interrupted != nullptr)
            state.interrupted->hold = Hold::policy;
        state.interrupted = nullptr;
        state.ran = Nanos{};
        state.until = RealTime{};
    }
    if (!gives_share_) {
        if (kept_ != nullptr)
            kept_->sched.hold = Hold::policy;
        kept_ = owed_ = nullptr;
    }
    has_place_ = false;
    look_for_control();
}

// Whether the rest of the host has to care.
template<class World>
void SchedulerHost<World>::look_for_control() {
    bool any = false;
    if (control_plane_ != nullptr) {
        const VcpuState& state = control_plane_->sched;
        const bool runnable = state.state == RunState::queued || state.state == RunState::running;
        any = runnable && (gives_share_ || state.hold == Hold::control);
    }
    for (std::uint32_t i = 0; i < this->world().pcpu_count() && !any; ++i) {
        const PcpuState& state = this->world().pcpu(PcpuId{static_cast<std::uint16_t>(i)}).sched;
        any = state.interrupted != nullptr || state.ran > Nanos{};
    }
    cares(control, any);
}

} // namespace bulkhead::host
