// MemoryHost: how a policy comes into charge and leaves it, and how domains come and go. Part of
// memory_host.hpp.
#pragma once

#include "host/memory_host.hpp"

namespace bulkhead::host {

template<class World>
void MemoryHost<World>::construct(MemoryHost& self, const std::int64_t* values) {
    const std::span<const memctl::Zone> zones = self.world().zones();
    const memctl::Machine machine{zones.data(), static_cast<std::uint32_t>(zones.size()), self.frames_};
    self.hooks().create(self.object(), self.services(), machine, values);
}

// For every domain.
template<class World>
bool MemoryHost<World>::reserve(Pool* pools) {
    std::uint32_t slots = 0;
    for (const MemoryState& state : domains_)
        slots = std::max(slots, state.slot + 1);
    return pools[MemoryKind::domains].reserve(this->world(), slots) &&
           pools[MemoryKind::rows].reserve(this->world(), count_);
}

// Makes the plug-in the active policy, with room for every domain. False if memory is short, and the former
// one is still the active one. `fault` is what its own constructor did; the caller ejects it.
template<class World>
bool MemoryHost<World>::build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault) {
    if (!this->install(plugin, [this](Pool* pools) { return reserve(pools); }))
        return false;
    fault = this->guarded(Hook::create, this->budget_to_construct(), this->world().now(), &construct, *this,
                          values)
                .fault;
    return true;
}

template<class World>
void MemoryHost<World>::start(const Plugin& plugin, const std::int64_t* values) {
    for (memctl::Zone& zone : this->world().zones()) {
        zone.free = zone.frames;
        frames_ += zone.frames;
    }
    free_ = frames_;
    Base::start(plugin, values);
}

// Zeroed memory for the active policy's part of the domain. False if it is short.
template<class World>
bool MemoryHost<World>::make_room(MemoryState& state) {
    if (!this->reserve_in_fallback(MemoryKind::domains, state.slot + 1))
        return false;
    auto& pool = this->active().pools[MemoryKind::domains];
    state.policy = static_cast<memctl::Domain*>(pool.create(this->world(), state.slot));
    return state.policy != nullptr;
}

// The policy gets its part of a domain, and is asked to admit it.
template<class World>
bool MemoryHost<World>::introduce(MemoryHost& self, MemoryState& state) {
    memctl::Domain& part = *state.policy;
    self.hooks().create_domain(&part);
    part.id = state.id;
    part.least = state.least;
    part.most = state.most;
    self.fill_values(part.values, state);
    self.refresh(state);
    return self.hooks().admit(self.object(), part);
}

// Hands every domain to the policy now in charge. If that fails meanwhile it is ejected, and the fallback has
// all of them when this returns.
template<class World>
void MemoryHost<World>::enter_all() {
    for (MemoryState& state : domains_) {
        if (!make_room(state))
            this->world().give_up("memory that was reserved for the memory policy is gone");
        if (!call(Hook::admit, memctl::hook_budget, &introduce, *this, state).well())
            return;
    }
    rebalance();
}

// The domain is in the list only while it is admitted: a fallback that takes over meanwhile is asked about it
// once more.
template<class World>
bool MemoryHost<World>::admit(Domain& domain) {
    MemoryState& state = domain.memory;
    state.id = domain.id;
    state.target = state.has = {};
    state.missed = 0;
    state.memory_pressure = {};
    state.over_since = RealTime::never();
    state.gave = false;
    const bool fits = promised_ + state.least <= frames_;
    for (;;) {
        const Set* const asked = &this->active();
        if (!this->reserve_in_fallback(MemoryKind::rows, count_ + 1) ||
            !this->active().pools[MemoryKind::rows].reserve(this->world(), count_ + 1) || !make_room(state))
            return false;
        const auto called = call(Hook::admit, memctl::hook_budget, &introduce, *this, state);
        if (!called.well())
            continue;
        if (called.answer && fits)
            break;
        leave(state);
        if (called.answer && &this->active() == asked)
            eject(Hook::admit, plugin::Fault::wrong_answer, this->world().now(),
                  "the least of all domains do not fit");
        return false;
    }
    domains_.push_back(state);
    ++count_;
    promised_ += state.least;
    rebalance();
    return true;
}

// The policy hears that a domain goes, which is not in the list any more.
template<class World>
void MemoryHost<World>::leave(MemoryState& state) {
    const Set& told = this->active();
    refresh(state);
    auto* const part = std::exchange(state.policy, nullptr);
    static_cast<void>(call(Hook::depart, memctl::hook_budget, hooks().depart, object(), *part));
    if (&this->active() == &told)
        this->world().forget(part, told.pools[MemoryKind::domains].bytes());
}

template<class World>
void MemoryHost<World>::depart(Domain& domain) {
    MemoryState& state = domain.memory;
    take_back(domain, state.has);
    domains_.erase(domains_.iterator_to(state));
    --count_;
    promised_ -= state.least;
    leave(state);
    rebalance();
}

} // namespace bulkhead::host
