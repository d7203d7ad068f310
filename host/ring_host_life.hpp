// RingHost: how a policy comes into charge and leaves it, and how rings come and go. Part of ring_host.hpp.
#pragma once

#include "host/ring_host.hpp"

#include <algorithm>

namespace bulkhead::host {

template<class World>
void RingHost<World>::construct(RingHost& self, const std::int64_t* values) {
    self.hooks().create(self.object(), self.services(), self.world().device().depth(), values);
}

// For every ring.
template<class World>
bool RingHost<World>::reserve(Pool* pools) {
    std::uint32_t rings = 0, domains = 0;
    for (const RingState& ring : rings_) {
        rings = std::max(rings, ring.number + 1);
        domains = std::max(domains, ring.domain->slot + 1);
    }
    return pools[RingKind::domains].reserve(this->world(), domains) &&
           pools[RingKind::rings].reserve(this->world(), rings) &&
           pools[RingKind::requests].reserve(this->world(), rings * ringctl::most_queued);
}

// Makes the plug-in the active policy, with room for every ring. False if memory is short, and the former one
// is still the active one. `fault` is what its own constructor did; the caller ejects it.
template<class World>
bool RingHost<World>::build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault) {
    if (!this->install(plugin, [this](Pool* pools) { return reserve(pools); }))
        return false;
    ask_again_ = now();
    fault = this->guarded(Hook::create, this->budget_to_construct(), now(), &construct, *this, values).fault;
    return true;
}

// Zeroed memory for the active policy's parts of the ring, of its requests, and of its domain if that has
// none yet. False if it is short.
template<class World>
bool RingHost<World>::make_room(RingState& ring) {
    auto& pools = this->active().pools;
    RingDomainState& domain = *ring.domain;
    const auto requests = (ring.number + 1) * ringctl::most_queued;
    if (!pools[RingKind::requests].reserve(this->world(), requests) ||
        !this->reserve_in_fallback(RingKind::requests, requests) ||
        !this->reserve_in_fallback(RingKind::rings, ring.number + 1) ||
        !this->reserve_in_fallback(RingKind::domains, domain.slot + 1))
        return false;
    auto* const part = static_cast<ringctl::Ring*>(pools[RingKind::rings].create(this->world(), ring.number));
    if (part == nullptr)
        return false;
    if (domain.policy == nullptr)
        domain.policy =
            static_cast<ringctl::Domain*>(pools[RingKind::domains].create(this->world(), domain.slot));
    if (domain.policy == nullptr)
        return false;
    ring.policy = part;
    return true;
}

// The policy hears of a ring, and of its domain if that is new to it.
template<class World>
void RingHost<World>::introduce(RingHost& self, RingState& ring, bool with_domain) {
    const RingDomainState& domain = *ring.domain;
    if (with_domain) {
        self.hooks().create_domain(domain.policy);
        domain.policy->id = domain.id;
        domain.policy->weight = domain.weight;
        self.fill_values(domain.policy->values, domain);
    }
    self.hooks().create_ring(ring.policy);
    ring.policy->domain = domain.policy;
    ring.policy->number = ring.number;
    ++domain.policy->rings;
    self.hooks().attach(self.object(), *ring.policy);
}

// False if memory is short; or if the policy failed, and then the fallback is in charge.
template<class World>
bool RingHost<World>::enter(RingState& ring) {
    const bool is_new = ring.domain->policy == nullptr;
    return make_room(ring) && call(Hook::attach, now(), &introduce, *this, ring, is_new).well();
}

// Hands every ring and every queued request to the policy now in charge. If that fails meanwhile it is
// ejected, and the fallback has all of them when this returns.
template<class World>
void RingHost<World>::enter_all() {
    const Set* const subject = &this->active();
    for (RingDomainState& domain : domains_) {
        domain.policy = nullptr;
        domain.waits_from = submitted_;
        domain.overtaken = {};
    }
    for (Request& request : serving_)
        request.known = false;
    for (RingState& ring : rings_) {
        const bool entered = enter(ring);
        if (&this->active() != subject)
            return;
        if (!entered)
            this->world().give_up("memory that was reserved for the ring policy is gone");
    }
    RealTime at = now();
    for (Request& request : waiting_)
        if (!enqueue(request, at))
            return;
}

// A policy may keep a Domain for good, so the place of one that has no rings any more is never taken apart: a
// newcomer goes on with it, under its own name, weight and values. It may be the same domain, after a change.
template<class World>
void RingHost<World>::take_over_place(RingDomainState& domain, DomainId newcomer) {
    domain.id = newcomer;
    domain.waits_from = submitted_;
    domain.overtaken = {};
    if (domain.policy == nullptr)
        return;
    domain.policy->id = newcomer;
    domain.policy->weight = domain.weight;
    this->fill_values(domain.policy->values, domain);
    static_cast<void>(call(Hook::tune, now(), hooks().tune, object(), *domain.policy));
}

// The ring is in the list only once it has entered: a fallback that takes over meanwhile hears of it
// afterwards.
template<class World>
bool RingHost<World>::open(Ring& ring) {
    RingState& state = ring.queue;
    RingDomainState& domain = ring.domain->io;
    state.domain = &domain;
    state.ends_at = 0;
    if (!domain.order.is_linked()) {
        domain.id = ring.domain->id;
        domains_.push_back(domain);
    } else if (domain.rings == 0) {
        take_over_place(domain, ring.domain->id);
    }
    for (const Set* asked = &this->active(); !enter(state); asked = &this->active())
        if (&this->active() == asked) {
            state.policy = nullptr;
            return false;
        }
    rings_.push_back(state);
    ++domain.rings;
    return true;
}

template<class World>
void RingHost<World>::close(Ring& ring) {
    RingState& state = ring.queue;
    for (Request& request : state.requests)
        if (request.state == Request::State::queued)
            withdraw(request);
    rings_.erase(rings_.iterator_to(state));
    --state.domain->rings;
    const Set& told = this->active();
    static_cast<void>(call(Hook::detach, now(), hooks().detach, object(), *state.policy));
    if (&this->active() == &told) {
        --state.domain->policy->rings;
        for (const Request& request : state.requests)
            if (request.known)
                this->world().forget(&part_of(request), told.pools[RingKind::requests].bytes());
        this->world().forget(state.policy, told.pools[RingKind::rings].bytes());
    }
    for (Request& request : state.requests)
        request.known = false;
    state.policy = nullptr;
}

template<class World>
void RingHost<World>::tune(Domain& domain) {
    RingDomainState& state = domain.io;
    if (state.policy == nullptr)
        return;
    state.policy->weight = state.weight;
    this->fill_values(state.policy->values, state);
    static_cast<void>(call(Hook::tune, now(), hooks().tune, object(), *state.policy));
    give_work();
}

template<class World>
Change RingHost<World>::change(Domain& domain, const plugin::ValueChanges& changes) {
    const Change judged = this->note_changes(domain.io, changes);
    if (judged == Change::done)
        tune(domain);
    return judged;
}

} // namespace bulkhead::host
