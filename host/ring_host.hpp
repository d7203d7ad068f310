// The other side of ringctl/contract.hpp, for every world with a device: keeps the rings' requests and the
// policy's objects, checks every answer, finds starvation, and puts the built-in fallback in the place of a
// policy that misbehaves. It never names a policy, and knows of the device what host/device.hpp says.
//
// One host serves one device. The world calls every function with the device's lock held.
#pragma once

#include "host/device.hpp"
#include "host/fallbacks.hpp"
#include "host/takeover.hpp"

#include <boost/intrusive/parent_from_member.hpp>

namespace bulkhead::host {

struct RingKind {
    using Hooks = ringctl::Hooks;
    using Hook = ringctl::Hook;
    static constexpr Nanos hook_budget = ringctl::hook_budget;
    static constexpr const char* no_memory = "no memory for the ring policy: give the machine more (--mem)";
    static constexpr const char* no_fallback = "the built-in fallback ring policy cannot start";
    enum Pools : std::uint32_t { domains, rings, requests, pools };
    [[nodiscard]] static std::uint32_t bytes(const plugin::Descriptor& descriptor, std::uint32_t pool) {
        const auto& hooks = *static_cast<const Hooks*>(descriptor.hooks);
        return pool == domains ? descriptor.domain_bytes
               : pool == rings ? hooks.ring_bytes
                               : hooks.request_bytes;
    }
    [[nodiscard]] static constexpr bool is_array(std::uint32_t) { return false; }
};

// Besides what ActivePolicy asks for, the world has
//
//   types Ring, Domain                     with members `queue` and `io` (host/ring_state.hpp); Ring::domain,
//                                          Domain::id
//   Device& device()                       of a type that host/device.hpp describes
//   Ring* ring_by_number(std::uint32_t)    nullptr if there is none; any number may come
//   void taken(Ring&, RequestFields)       the device has taken a request
//   void done(Ring&, RequestFields, Nanos) it is done with one, after so much of its time; the ring is open,
//   and
//                                          submit may be called
//   void forget(void* object, bytes)       the policy has no right to this memory any more
//
// A ring must not move while it is open or has requests in service, a domain not while the host lives.
template<class World>
class RingHost : public Takeover<RingHost<World>, World, RingKind> {
    using Base = Takeover<RingHost<World>, World, RingKind>;
    friend Base;
    using Set = typename Base::Set;

  public:
    using Hook = ringctl::Hook;
    using Plugin = typename World::Plugin;
    using Ring = typename World::Ring;
    using Domain = typename World::Domain;

    using Base::Base;

    // A ring appears, without requests. False if memory is short. Its domain may stand where another one with
    // another id stood, whose rings are all closed.
    [[nodiscard]] bool open(Ring& ring);
    // What is queued is forgotten; what the device has stays in the ring until complete.
    void close(Ring& ring);
    // The domain's weight has changed.
    void tune(Domain& domain);
    // Parameters of the domain change, whether it has rings or not; the policy hears of them if all are
    // taken.
    [[nodiscard]] Change change(Domain& domain, const plugin::ValueChanges& changes);
    // Puts a request into a ring that is open and has room, and gives the device something to do. Its number.
    // The world is given `tag` again with the request. The device counts it as `parts` requests.
    std::uint64_t submit(Ring& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
                         std::uint32_t tag = 0, std::uint32_t parts = 1);
    // The device is done with a request, after so much of its time; the world calls give_work next. The
    // present instant.
    RealTime complete(Request& request, Nanos service);
    // Asks the policy while the device has room. `asked` is now, or the instant that was just read.
    void give_work(RealTime asked);
    void give_work() { give_work(now()); }

    // How long the device had room while a request was queued, up to `now`.
    [[nodiscard]] Nanos held(RealTime now) const {
        return held_ + (is_holding_ ? now - held_since_ : Nanos{});
    }
    // When to call give_work again, if nothing happens before.
    [[nodiscard]] RealTime asks_again() const { return queued_ > 0 ? ask_again_ : RealTime::never(); }
    [[nodiscard]] std::uint64_t submitted() const { return submitted_; } // the next request's number
    [[nodiscard]] std::uint32_t queued() const { return queued_; }
    // Of the queued ones, if there are any: whose request has waited longest.
    [[nodiscard]] const Request& oldest() const { return waiting_.front(); }
    [[nodiscard]] std::uint32_t in_service() const { return in_service_; }
    [[nodiscard]] static bool is_open(const Ring& ring) { return ring.queue.policy != nullptr; }

  private:
    template<class T>
    using Order = boost::intrusive::list<
        T, boost::intrusive::member_hook<T, boost::intrusive::list_member_hook<>, &T::order>,
        boost::intrusive::constant_time_size<false>>;

    using Base::call;
    using Base::eject;
    using Base::hooks;
    using Base::object;
    [[nodiscard]] RealTime now() { return this->world().now(); }

    [[nodiscard]] bool reserve(Pool* pools);
    [[nodiscard]] bool build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault);
    static void construct(RingHost& self, const std::int64_t* values);
    static void introduce(RingHost& self, RingState& ring, bool with_domain);
    static void hand_over(RingHost& self, Request& request, RealTime at);
    [[nodiscard]] bool make_room(RingState& ring);
    [[nodiscard]] bool enter(RingState& ring);
    void enter_all();
    void take_over_place(RingDomainState& domain, DomainId newcomer);
    [[nodiscard]] bool enqueue(Request& request, RealTime& at);
    void withdraw(Request& request);
    void enter_rare(Request& request);
    [[nodiscard]] Request* named(const ringctl::Decision& answer);
    [[nodiscard]] const char* wrong(const ringctl::Decision& answer, const Request* request, RealTime asked);
    [[nodiscard]] bool take(Request& request, RealTime now);
    [[nodiscard]] bool note_overtaken(const Request& taken, Nanos time);
    void leave_queue(RingDomainState& domain);
    [[nodiscard]] bool is_starved(const RingDomainState& domain) const;
    [[nodiscard]] bool is_anybody_starved() const;
    [[nodiscard]] ringctl::Request& part_of(const Request& request) {
        return *static_cast<ringctl::Request*>(this->active().pools[RingKind::requests].at(request.index));
    }
    [[nodiscard]] static Ring& ring_of(RingState& state) {
        return *boost::intrusive::get_parent_from_member(&state, &Ring::queue);
    }

    Order<RingDomainState> domains_; // that ever had a ring
    Order<RingState> rings_;         // open ones, in the order of opening
    Order<Request> waiting_;         // queued ones, the oldest first
    Order<Request> serving_;
    std::uint32_t queued_ = 0, in_service_ = 0;
    std::uint32_t waiting_domains_ = 0; // that have requests queued
    std::uint32_t ordered_ = 0;         // queued ones that have a place among those of their ring
    std::uint64_t submitted_ = 0;
    RealTime ask_again_ = RealTime::never();
    Nanos held_{}; // up to held_since_, or all of it
    RealTime held_since_{};
    bool is_holding_ = false; // since then the policy holds back what is queued
};

} // namespace bulkhead::host

#include "host/ring_host_life.hpp"
#include "host/ring_host_run.hpp"
