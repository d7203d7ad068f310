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

// Makes the plug-in the active policy. False if memory is short, and the former one is still active. `fault`
// is what its own constructors did; the caller ejects it.
template<class World>
bool SchedulerHost<World>::build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault) {
    const auto count = this->world().pcpu_count();
    if (!this->install(
            plugin, [&](Pool* pools) { return pools[SchedulerKind::pcpus].reserve(this->world(), count); }))
        return false;
    Set& set = this->active();
    for (std::uint32_t i = 0; i < count; ++i)
        this->world().pcpu(PcpuId{static_cast<std::uint16_t>(i)}).sched.policy =
            static_cast<sched::Pcpu*>(set.pools[SchedulerKind::pcpus].create(this->world(), i));
    monitor_.takes_over(this->may_idle(), this->world().now());
    offers_.clear();
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
    if (state.policy != nullptr)
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
    this->fill_values(memory->values, state.has_values ? state.values : nullptr);
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
    memory->affinity = state.affinity;
    state.policy = memory;
    ++domain->vcpus;
    return true;
}

// Calls `act(Vcpu&)` for every attached vCPU, as long as it answers true.
template<class World>
template<class Act>
bool SchedulerHost<World>::for_each_attached(Act act) {
    bool go_on = true;
    this->world().for_each_domain([&](Domain& domain) {
        this->world().for_each_vcpu(domain, [&](Vcpu& vcpu) {
            if (go_on && vcpu.sched.policy != nullptr)
                go_on = act(vcpu);
        });
    });
    return go_on;
}

// Hands every attached vCPU to the policy now in charge, from the host's states: first all of them, then
// those that wait. If the policy fails meanwhile it is ejected, and the fallback has all of them when this
// returns.
template<class World>
void SchedulerHost<World>::enter_all() {
    const Set* const subject = &this->active();
    this->world().for_each_domain([](Domain& domain) { domain.sched.policy = nullptr; });
    const bool entered = for_each_attached([&](Vcpu& vcpu) {
        const bool has_place = enter(vcpu);
        if (!has_place && &this->active() == subject) {
            eject(Hook::attach, plugin::Fault::no_memory, this->world().now(),
                  "no memory for what it keeps of each vCPU");
            return false;
        }
        return has_place &&
               call(Hook::attach, this->world().now(), hooks().attach, object(), *vcpu.sched.policy).well();
    });
    if (entered)
        static_cast<void>(for_each_attached([&](Vcpu& vcpu) {
            const auto now = this->world().now();
            return vcpu.sched.state != RunState::queued ||
                   call(Hook::wake, now, hooks().wake, object(), *vcpu.sched.policy, now).well();
        }));
}

// Once more if the policy was replaced meanwhile.
template<class World>
bool SchedulerHost<World>::attach(Vcpu& vcpu) {
    const Set* before = &this->active();
    if (!enter(vcpu) && (&this->active() == before || !enter(vcpu)))
        return false;
    vcpu.sched.state = RunState::blocked;
    monitor_.attached();
    if (vcpu.domain->sched.policy->vcpus == 1)
        weights_ += vcpu.domain->sched.weight;
    static_cast<void>(call(Hook::attach, this->world().now(), hooks().attach, object(), *vcpu.sched.policy));
    return true;
}

template<class World>
void SchedulerHost<World>::detach(Vcpu& vcpu) {
    VcpuState& state = vcpu.sched;
    monitor_.detached();
    drop_offers(state);
    static_cast<void>(call(Hook::detach, this->world().now(), hooks().detach, object(), *state.policy));
    if (--vcpu.domain->sched.policy->vcpus == 0)
        weights_ -= vcpu.domain->sched.policy->weight;
    this->world().forget(state.policy, this->active().pools[SchedulerKind::vcpus].bytes());
    state.policy = nullptr;
    state.state = RunState::offline;
}

template<class World>
void SchedulerHost<World>::set_affinity(Vcpu& vcpu, std::uint64_t pcpus) {
    vcpu.sched.affinity = pcpus;
    if (vcpu.sched.policy != nullptr)
        vcpu.sched.policy->affinity = pcpus;
}

template<class World>
void SchedulerHost<World>::tune(Domain& domain) {
    DomainState& state = domain.sched;
    if (state.policy == nullptr)
        return;
    if (state.policy->vcpus != 0)
        weights_ += state.weight - std::uint64_t{state.policy->weight};
    state.policy->weight = state.weight;
    state.policy->cap = state.cap;
    static_cast<void>(call(Hook::tune, this->world().now(), hooks().tune, object(), *state.policy));
}

} // namespace bulkhead::host
