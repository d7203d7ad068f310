// RingHost: requests from their rings to the device and back, and the checks of the answers. Part of
// ring_host.hpp.
#pragma once

#include "host/ring_host.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::host {

template<class World>
std::uint64_t RingHost<World>::submit(Ring& ring, ringctl::Operation operation, std::uint64_t sector,
                                      std::uint32_t bytes, std::uint32_t tag, std::uint32_t parts) {
    RingState& state = ring.queue;
    const std::uint32_t place = state.free_place();
    Request& request = state.requests[place];
    request.index = state.number * ringctl::most_queued + place;
    RealTime at = now();
    static_cast<RequestFields&>(request) = {submitted_++, sector, bytes, operation, at,
                                            {},           tag,    parts, {},        {}};
    request.held_before = held(at);
    request.estimate = this->world().device().estimate(request, sector == state.ends_at);
    request.ring = &state;
    request.state = Request::State::queued;
    if (ringctl::may_move_none(operation)) [[unlikely]]
        enter_rare(request);
    else
        state.ends_at = request.end();
    state.take_place(request);
    ++queued_;
    waiting_.push_back(request);
    if (RingDomainState& domain = *state.domain; domain.queued++ == 0) {
        ++waiting_domains_;
        domain.waits_from = request.number;
        domain.overtaken = {};
    }
    const auto number = request.number; // its place may be another's when the device has it
    static_cast<void>(enqueue(request, at));
    if (in_service_ < this->world().device().depth()) // else it was asked last when it had no room
        give_work(at);
    return number;
}

// One that may move no bytes: where the ring's stream goes on, and whether there is an order to keep.
template<class World>
[[gnu::noinline, gnu::cold]] void RingHost<World>::enter_rare(Request& request) {
    if (request.bytes != 0)
        request.ring->ends_at = request.end();
    ordered_ += ringctl::is_ordered(request.operation) ? 1 : 0;
}

template<class World>
void RingHost<World>::hand_over(RingHost& self, Request& request, RealTime at) {
    ringctl::Request& part = self.part_of(request);
    self.hooks().create_request(&part);
    part.ring = request.ring->policy;
    part.number = request.number;
    part.sector = request.sector;
    part.bytes = request.bytes;
    part.operation = request.operation;
    part.arrived = request.arrived;
    part.estimate = request.estimate;
    part.parts = request.parts;
    self.hooks().enqueue(self.object(), part, at);
}

// False if the policy failed; then the fallback is in charge and has the request. `at` is the present before
// and after it.
template<class World>
bool RingHost<World>::enqueue(Request& request, RealTime& at) {
    auto& pool = this->active().pools[RingKind::requests];
    if (pool.create(this->world(), request.index) == nullptr)
        this->world().give_up("memory that was reserved for the ring policy is gone");
    const auto called = call(Hook::enqueue, at, &hand_over, *this, request, at);
    at = called.well() ? called.end : now();
    return called.well();
}

template<class World>
void RingHost<World>::withdraw(Request& request) {
    waiting_.erase(waiting_.iterator_to(request));
    request.state = Request::State::unused;
    --queued_;
    ordered_ -= ringctl::is_ordered(request.operation) ? 1 : 0;
    request.ring->leave_place(request);
    leave_queue(*request.ring->domain);
    const Set& told = this->active();
    ringctl::Request& part = part_of(request);
    static_cast<void>(call(Hook::withdraw, now(), hooks().withdraw, object(), part));
    if (&this->active() == &told)
        this->world().forget(&part, told.pools[RingKind::requests].bytes());
}

// The request that an answer names, if there could be one.
template<class World>
Request* RingHost<World>::named(const ringctl::Decision& answer) {
    const auto index = this->active().pools[RingKind::requests].index_of(answer.request);
    Ring* const ring =
        index != Pool::no_object ? this->world().ring_by_number(index / ringctl::most_queued) : nullptr;
    return ring != nullptr ? &ring->queue.requests[index % ringctl::most_queued] : nullptr;
}

// What is wrong with next's answer; nullptr if nothing is. The instant that it names may have come while it
// thought.
template<class World>
const char* RingHost<World>::wrong(const ringctl::Decision& answer, const Request* request, RealTime asked) {
    if (answer.request == nullptr && !this->may_idle())
        return "nothing, though a request is queued";
    if (answer.request == nullptr)
        return answer.until > asked ? nullptr : "nothing before an instant that is not in the future";
    if (request == nullptr || request->state == Request::State::unused)
        return "not a request, or one that is gone";
    return request->state == Request::State::queued ? nullptr : "a request that is in service already";
}

template<class World>
void RingHost<World>::give_work(RealTime asked) {
    if (is_holding_) {
        held_ = held(asked);
        is_holding_ = false;
    }
    while (in_service_ < this->world().device().depth() &&
           queued_ > 0) { // each turn serves, ejects, or is the last
        const auto called = call(Hook::next, asked, hooks().next, object(), asked);
        const RealTime before = std::exchange(asked, called.well() ? called.end : now());
        if (!called.well()) // the fallback is in charge
            continue;
        const ringctl::Decision& answer = called.answer;
        Request* const request = answer.request != nullptr ? named(answer) : nullptr;
        if (const char* what = wrong(answer, request, before); what != nullptr) {
            eject(Hook::next, plugin::Fault::wrong_answer, called.end, what);
        } else if (ordered_ != 0 && request != nullptr && request->ring->overtakes(*request)) [[unlikely]] {
            eject(Hook::next, plugin::Fault::wrong_answer, called.end,
                  "a request before one that it has to stay behind");
        } else if (request != nullptr) {
            const bool looks = take(*request, called.end);
            if (looks && !this->may_idle() && is_anybody_starved()) [[unlikely]]
                eject(Hook::next, plugin::Fault::starvation, called.end, "a domain was starved");
        } else if (answer.until == RealTime::never() && in_service_ == 0) {
            eject(Hook::next, plugin::Fault::starvation, called.end,
                  "nothing for ever, beside an idle device");
        } else {
            ask_again_ = answer.until;
            held_since_ = called.end;
            is_holding_ = true;
            return;
        }
    }
    ask_again_ = RealTime::never();
}

// True if a domain may have been starved by that.
template<class World>
bool RingHost<World>::take(Request& request, RealTime now) {
    waiting_.erase(waiting_.iterator_to(request));
    serving_.push_back(request);
    request.state = Request::State::in_service;
    request.known = true;
    request.waited = now - request.arrived;
    request.throttled = held_ - request.held_before;
    if (ordered_ != 0) [[unlikely]]
        ordered_ -= ringctl::is_ordered(request.operation) ? 1 : 0;
    --queued_;
    ++in_service_;
    const bool looks = note_overtaken(request, this->world().device().serve(request, now));
    this->world().taken(ring_of(*request.ring), static_cast<const RequestFields&>(request));
    return looks;
}

// The device's time goes to `taken`: every domain that waits and came before it has been overtaken. True if
// one has for long.
template<class World>
bool RingHost<World>::note_overtaken(const Request& taken, Nanos time) {
    RingDomainState& served = *taken.ring->domain;
    served.waits_from = submitted_;
    served.overtaken = {};
    leave_queue(served);
    if (waiting_domains_ == (served.queued > 0 ? 1U : 0U))
        return false;
    bool is_long = false;
    for (RingDomainState& each : domains_)
        if (&each != &served && each.queued > 0 && taken.number >= each.waits_from) {
            each.overtaken += time;
            is_long |= each.overtaken > ringctl::longest_wait;
        }
    return is_long;
}

template<class World>
void RingHost<World>::leave_queue(RingDomainState& domain) {
    if (--domain.queued == 0)
        --waiting_domains_;
}

// Beyond the bound of the contract. The built-in policy is never blamed: no other could take its place.
template<class World>
bool RingHost<World>::is_starved(const RingDomainState& domain) const {
    if (domain.overtaken <= ringctl::longest_wait || this->is_built_in())
        return false;
    std::int64_t weights = 0;
    for (const RingDomainState& each : domains_)
        weights += each.rings > 0 ? each.weight : 0;
    const auto in_ms = [](Nanos time) { return time.count() / 1'000'000; };
    return in_ms(domain.overtaken) * std::min(domain.weight, ringctl::default_weight) >
           in_ms(ringctl::longest_wait) * weights;
}

template<class World>
bool RingHost<World>::is_anybody_starved() const {
    return std::any_of(domains_.begin(), domains_.end(),
                       [&](const RingDomainState& each) { return is_starved(each); });
}

template<class World>
RealTime RingHost<World>::complete(Request& request, Nanos service) {
    RingState& ring = *request.ring;
    serving_.erase(serving_.iterator_to(request));
    --in_service_;
    RealTime at = now();
    if (std::exchange(request.known, false)) {
        const Set& told = this->active();
        ringctl::Request& part = part_of(request);
        if (this->hears_completions()) {
            const auto called = call(Hook::complete, at, hooks().complete, object(), part, service, at);
            at = called.well() ? called.end : now();
        }
        if (&this->active() == &told)
            this->world().forget(&part, told.pools[RingKind::requests].bytes());
    }
    request.state = Request::State::unused;
    ring.leave_place(request);
    if (const RequestFields fields = request; ring.policy != nullptr) // its place may be another's at once
        this->world().done(ring_of(ring), fields, service);
    return at;
}

} // namespace bulkhead::host
