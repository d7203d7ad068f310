// SchedulerHost: how a policy comes into charge and leaves it, and how vCPUs enter its world. Part of
// scheduler_host.hpp.
#pragma once

#include "host/scheduler_host.hpp"

namespace bulkhead::host {

template<class World>
void SchedulerHost<World>::construct(SchedulerHost& self, const std::int64_t* values) {
    const sched::Hooks& hooks = self.hooks();
    for (std::uint32_t i = 0; i < self.world().pcpu_count(); ++i) {
        const PcpuId id{static_cast<std::uint16_t>(i)};
        auto* cpu = self.world().pcpu(id).sched.policy;
        hooks.create_pcpu(cpu);
        cpu->id = id;
    }
    hooks.create(self.object(), self.services(), self.world().pcpu(PcpuId{0}).sched.policy, values);
}

// For all pCPUs, and the vCPUs and domains that are there.
template<class World>
bool SchedulerHost<World>::reserve(Pool* pools) {
    return pools[SchedulerKind::pcpus].reserve(this->world(), this->world().pcpu_count()) &&
           pools[SchedulerKind::vcpus].reserve(this->world(), vcpu_slots_) &&
           pools[SchedulerKind::domains].reserve(this->world(), domain_slots_);
}

// Makes the plug-in the active policy. False if memory is short, and the former one is still active. `fault`
// is what its own constructors did; the caller ejects it.
template<class World>
bool SchedulerHost<World>::build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault) {
    if (!this->install(plugin, [this](Pool* pools) { return reserve(pools); }))
        return false;
    Set& set = this->active();
    for (std::uint32_t i = 0; i < this->world().pcpu_count(); ++i)
        this->world().pcpu(PcpuId{static_cast<std::uint16_t>(i)}).sched.policy =
            static_cast<sched::Pcpu*>(set.pools[SchedulerKind::pcpus].create(this->world(), i));
    monitor_.takes_over(this->may_idle(), this->world().now());
    control_takeover();
    offers_.clear();
    awaited_.splice(awaited_.end(), known_);
    cares(hands_over, !awaited_.empty());
    ++takeover_;
    fault = this->guarded(Hook::create, this->budget_to_construct(), this->world().now(), &construct, *this,
                          values)
                .fault;
    return true;
}

template<class World>
void SchedulerHost<World>::fallback_is_in_charge() {
    for (std::uint32_t i = 0; i < this->world().pcpu_count(); ++i)
        this->world().request_dispatch(PcpuId{static_cast<std::uint16_t>(i)});
}

// nullptr: the policy's constructor failed and the fallback is in charge, or memory is short.
template<class World>
sched::Domain* SchedulerHost<World>::enter(Domain& domain) {
    DomainState& state = domain.sched;
    if (knows(state))
        return state.policy;
    auto& pool = this->active().pools[SchedulerKind::domains];
    auto* memory = static_cast<sched::Domain*>(pool.create(this->world(), state.slot));
    if (memory == nullptr ||
        !call(Hook::attach, this->world().now(), hooks().create_domain, static_cast<void*>(memory)).well())
        return nullptr;
    memory->id = domain.id;
    memory->weight = state.weight;
    memory->cap = state.cap;
    memory->vcpus = 0;
    this->fill_values(memory->values, state);
    state.takeover = takeover_;
    return state.policy = memory;
}

template<class World>
bool SchedulerHost<World>::enter(Vcpu& vcpu) {
    VcpuState& state = vcpu.sched;
    auto* domain = enter(*vcpu.domain);
    auto& pool = this->active().pools[SchedulerKind::vcpus];
    auto* memory =
        domain != nullptr ? static_cast<sched::Vcpu*>(pool.create(this->world(), state.slot)) : nullptr;
    if (memory == nullptr ||
        !call(Hook::attach, this->world().now(), hooks().create_vcpu, static_cast<void*>(memory)).well())
        return false;
    memory->domain = domain;
    memory->id = vcpu.id;
    memory->last_pcpu = state.pcpu;
    memory->affinity = affinity_of(state);
    memory->preferred = state.preferred & state.affinity;
    state.policy = memory;
    state.takeover = takeover_;
    ++domain->vcpus;
    return true;
}

// A policy that need not compare masks is faster.
template<class World>
std::uint64_t SchedulerHost<World>::affinity_of(const VcpuState& state) {
    const auto all = ~std::uint64_t{0} >> (64 - this->world().pcpu_count());
    return (state.affinity & all) == all ? ~std::uint64_t{0} : state.affinity;
}

// The active policy hears of a vCPU that it does not know yet, from the host's states. If the policy fails
// meanwhile it is ejected, and the vCPU waits for its turn with the fallback.
template<class World>
void SchedulerHost<World>::introduce(Vcpu& vcpu) {
    VcpuState& state = vcpu.sched;
    known_.splice(known_.end(), awaited_, awaited_.iterator_to(state));
    cares(hands_over, !awaited_.empty());
    const auto takeover = takeover_;
    if (!enter(vcpu)) {
        if (takeover == takeover_)
            eject(Hook::attach, plugin::Fault::no_memory, this->world().now(),
                  "no memory for what it keeps of each vCPU");
        return;
    }
    const auto now = this->world().now();
    if (!call(Hook::attach, now, hooks().attach, object(), *state.policy).well() ||
        state.state != RunState::queued || state.hold == Hold::control)
        return;
    if (call(Hook::wake, now, hooks().wake, object(), *state.policy, now).well() && idle_ != 0 &&
        state.state == RunState::queued)
        offer(vcpu);
}

template<class World>
void SchedulerHost<World>::introduce_some() {
    for (std::uint32_t i = 0; i < introduced_at_once && !awaited_.empty(); ++i)
        if (Vcpu* const vcpu = this->world().vcpu_in_slot(awaited_.front().slot); vcpu != nullptr)
            introduce(*vcpu);
}

template<class World>
void SchedulerHost<World>::weigh(DomainState& state, std::uint32_t weight) {
    monitor_.weighs(std::int64_t{weight} - state.counted);
    weights_ += weight - std::uint64_t{state.counted};
    state.counted = weight;
}

// Once more if the policy was replaced meanwhile.
template<class World>
bool SchedulerHost<World>::attach(Vcpu& vcpu) {
    const auto vcpus = vcpu.sched.slot + 1, domains = vcpu.domain->sched.slot + 1;
    if (!this->reserve_in_fallback(SchedulerKind::vcpus, vcpus) ||
        !this->reserve_in_fallback(SchedulerKind::domains, domains))
        return false;
    vcpu_slots_ = std::max(vcpu_slots_, vcpus);
    domain_slots_ = std::max(domain_slots_, domains);
    const Set* before = &this->active();
    if (!enter(vcpu) && (&this->active() == before || !enter(vcpu)))
        return false;
    vcpu.sched.state = RunState::blocked;
    if (vcpu.domain->sched.share != 0 && control_plane_ == nullptr) {
        control_plane_ = &vcpu;
        vcpu.sched.has_share = true;
        share_.set(vcpu.domain->sched.share, this->world().now());
    }
    known_.push_back(vcpu.sched);
    if (vcpu.domain->sched.attached++ == 0)
        weigh(vcpu.domain->sched, vcpu.domain->sched.weight);
    monitor_.attached();
    static_cast<void>(call(Hook::attach, this->world().now(), hooks().attach, object(), *vcpu.sched.policy));
    return true;
}

template<class World>
void SchedulerHost<World>::detach(Vcpu& vcpu) {
    VcpuState& state = vcpu.sched;
    monitor_.detached();
    drop_offers(state);
    if (std::exchange(state.has_share, false))
        control_plane_ = nullptr;
    if (knows(state))
        static_cast<void>(call(Hook::detach, this->world().now(), hooks().detach, object(), *state.policy));
    if (--vcpu.domain->sched.attached == 0)
        weigh(vcpu.domain->sched, 0);
    if (knows(state)) { // still: the fallback may be in charge by now
        known_.erase(known_.iterator_to(state));
        --vcpu.domain->sched.policy->vcpus;
        this->world().forget(state.policy, this->active().pools[SchedulerKind::vcpus].bytes());
    } else {
        awaited_.erase(awaited_.iterator_to(state));
        cares(hands_over, !awaited_.empty());
    }
    state.policy = nullptr;
    state.state = RunState::offline;
}

template<class World>
void SchedulerHost<World>::set_affinity(Vcpu& vcpu, std::uint64_t pcpus) {
    vcpu.sched.affinity = pcpus;
    tell_pcpus(vcpu.sched);
}

template<class World>
void SchedulerHost<World>::set_preferred(Vcpu& vcpu, std::uint64_t pcpus) {
    vcpu.sched.preferred = pcpus;
    tell_pcpus(vcpu.sched);
}

template<class World>
void SchedulerHost<World>::tell_pcpus(VcpuState& state) {
    if (state.policy == nullptr || !knows(state))
        return;
    state.policy->affinity = affinity_of(state);
    state.policy->preferred = state.preferred & state.affinity;
}

template<class World>
void SchedulerHost<World>::tune(Domain& domain) {
    DomainState& state = domain.sched;
    if (state.attached != 0 && state.counted != state.weight) {
        weigh(state, state.weight);
        state.tuned = this->world().now();
    }
    if (!knows(state))
        return;
    state.policy->weight = state.weight;
    state.policy->cap = state.cap;
    this->fill_values(state.policy->values, state);
    if (state.attached == 0)
        return;
    static_cast<void>(call(Hook::tune, this->world().now(), hooks().tune, object(), *state.policy));
}

template<class World>
Change SchedulerHost<World>::change(Domain& domain, const plugin::ValueChanges& changes) {
    const Change judged = this->note_changes(domain.sched, changes);
    if (judged == Change::done)
        tune(domain);
    return judged;
}

} // namespace bulkhead::host
