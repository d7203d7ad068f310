// The contract of a ring policy: which queued I/O request a device serves next, and when. A policy is a class
// with the hooks below. The policy is written against this header alone and never sees the hypervisor or the
// simulator. One object serves one device; a host makes one for each.
//
//   class MyPolicy : public ringctl::Policy {
//     public:
//       struct Request : ringctl::Request { ... };  // what the policy keeps of each request
//       struct Ring : ringctl::Ring { ... };        // of each ring (optional)
//       struct Domain : ringctl::Domain { ... };    // of each domain (optional)
//       static constexpr plugin::Parameter parameters[] = {...};         // (optional)
//       static constexpr plugin::Parameter domain_parameters[] = {...};  // (optional) of each domain
//       static constexpr ringctl::Text text{.name = "my_policy", .summary = "...", ...};
//       explicit MyPolicy(const ringctl::Setup<MyPolicy>& setup);
//       ... hooks ...
//   };
//   BULKHEAD_RING_POLICY(MyPolicy)
//
// States of a request as the policy sees them:
//
//      enqueue            next               complete
//   o ---------> queued ---------> in service ---------> o
//                  |                   |
//                  | withdraw          | (its ring has gone: no hook for it follows)
//                  v                   v
//
// Hooks of one object are called one at a time (the host holds the device's lock), with interrupts held off,
// and must return within `hook_budget`. A wrong answer, starvation, or a fault ejects the policy. The
// hypervisor measures hooks; the simulator ejects for time only a hook that would never end. A policy keeps
// no state outside its own objects: a plug-in with writable globals does not link.
//
// Starvation is
// - with Trait::idles: next answers nothing for ever, though a request is queued and the device is idle;
// - without: later requests of other domains get more device time than the bound, while a domain has requests
//   queued and none of them is taken. The bound is `longest_wait`, times the sum of the weights of all
//   domains with rings, over the smaller of the domain's weight and the default weight.
// A policy that shares by weight, by turns or in the order of arrival does not come near that bound, unless a
// turn lasts for seconds. A wait that a slow device or a low rate causes is not a fault of the policy. A
// single request that the policy forgets shows when nothing else is queued: the policy then has no answer.
//
// Order: a flush stays behind the earlier writes and discards of its ring, a barrier behind all earlier
// requests of its ring and before all later ones. A policy that serves each ring's requests in the order in
// which they came has nothing to do for that. The requests of other rings have no part in it.
//
// What a policy may rely on:
// - The order is create, then create_domain, create_ring and attach as guests come, create_request and
//   enqueue as they ask. The memory is zeroed, the host fills the base part after create_domain and the
//   like, and objects stay at their address until detach, complete or withdraw. A Domain outlives the
//   detach of its last ring.
// - A ring has at most `most_queued` requests queued or in service; its guest waits when it has more.
// - Before detach every queued request of the ring is withdrawn. A request that is in service then is not
//   completed.
// - A request's fields were read once from the guest's memory and checked; they never change.
// - When policies are swapped, the new policy gets attach for every ring, then enqueue for every queued
//   request, the oldest first. Requests in service stay there, and the new policy does not hear of them.
#pragma once

#include "plugin/policy.hpp"

#include <concepts>

namespace bulkhead::ringctl {

inline constexpr Nanos hook_budget = microseconds(100);
inline constexpr Nanos longest_wait = milliseconds(10'000); // the unit of starvation, above
inline constexpr std::uint32_t most_queued = 64;            // requests of one ring
inline constexpr std::uint32_t default_weight = 256;
inline constexpr std::uint32_t sector_bytes = 512;

// Of a disk: bytes that are read or written. Of a network interface: a packet that the guest sends, or one
// that it receives. Of a disk again, and in an order that the device must keep:
// - flush: keeps what was written. It moves no bytes, and a device does nothing else meanwhile: the flush of
//   one domain drains the device for all.
// - discard: forgets what is stored from `sector` on, `bytes` of it: the device works as for a write of them.
// - barrier: a write, or no bytes at all, behind all earlier requests of its ring and before all later ones.
enum class Operation : std::uint32_t {
    read = 0,
    write = 1,
    send = 2,
    receive = 3,
    discard = 4,
    flush = 5,
    barrier = 6
};

// Whether it has a place among the other requests of its ring.
constexpr bool is_ordered(Operation operation) { return operation >= Operation::flush; }
constexpr bool may_move_none(Operation operation) { return operation >= Operation::discard; }
// What a flush has to stay behind.
constexpr bool alters(Operation operation) {
    return operation != Operation::read && operation != Operation::receive;
}

// Written by the host, read by the policy. A policy derives its own types from these.
//
// A group of domains is one Domain: the rings of all its members are its rings, and it has one weight and one
// set of values. A policy that shares between domains shares between groups without knowing of them.
struct Domain {
    DomainId id;          // of a group: of the member that came first
    std::uint16_t rings;  // attached ones, including the one in the hands of attach or detach
    std::uint32_t weight; // relative share, 1 to 65535
    std::int64_t values[plugin::max_domain_parameters]; // effective, in the order of domain_parameters
};

struct Ring {
    Domain* domain;
    std::uint32_t number; // of this device's rings
};

struct Request {
    Ring* ring;
    std::uint64_t number; // in the order in which the device's requests came
    std::uint64_t sector; // of 512 bytes, on the device; 0 of a packet
    std::uint32_t bytes;  // that it moves, or that a discard forgets; of a flush: none
    Operation operation;
    RealTime arrived;    // when the request was queued first, also after a swap of policies
    Nanos estimate;      // of the device's time for it, by the host's model of the device; at least 1 ns
    std::uint32_t parts; // packets that the network cuts it into, and counts it as; else 1
};

// next's answer: a request, or no request before `until`. In the second case next is called again at `until`,
// or earlier when a request has been queued or completed or a domain has been tuned.
struct Decision {
    Request* request;
    RealTime until;
    [[nodiscard]] static constexpr Decision serve(Request& request) { return {&request, {}}; }
    [[nodiscard]] static constexpr Decision wait(RealTime until) { return {nullptr, until}; }
    [[nodiscard]] static constexpr Decision nothing() { return {nullptr, RealTime::never()}; }
};

using Trait = plugin::Trait;
using Text = plugin::Text;

// The services of the host, typed, and the known facts of the device. Copyable; a policy keeps one.
class Services : public plugin::Services {
  public:
    Services(const plugin::Host& host, std::uint32_t depth) : plugin::Services{host}, depth_{depth} {}
    [[nodiscard]] std::uint32_t depth() const { return depth_; } // most requests in service at a time

  private:
    std::uint32_t depth_;
};

// Base of every policy: defaults for the optional parts.
class Policy : public plugin::Defaults {
  public:
    struct Domain : ringctl::Domain {};
    struct Ring : ringctl::Ring {};
};

// What a policy's constructor gets: services, the effective parameters in the order of its table.
template<class P>
struct Setup {
    Services services;
    const std::int64_t* values;
};

// The hooks by their numbers in reports, traces and results. `create` stands for all construction.
enum class Hook : std::uint32_t { create, attach, detach, enqueue, next, complete, withdraw, tune };

// The binary hook table behind the descriptor. `create` and the other makers bracket the policy's life; the
// rest are the hooks.
struct Hooks {
    std::uint32_t ring_bytes; // sizes of the policy's types; the host allocates them
    std::uint32_t request_bytes;
    void (*create)(void* policy, const plugin::Host& host, std::uint32_t depth, const std::int64_t* values);
    void (*create_domain)(void* memory); // constructs the policy's part; the host then fills the base
    void (*create_ring)(void* memory);
    void (*create_request)(void* memory);

    // Optional. A ring appears, with no request. Its Domain is complete. Nothing to answer.
    void (*attach)(void* policy, Ring& ring);
    // Optional. A ring disappears, with nothing queued. The policy must keep no pointer to it.
    void (*detach)(void* policy, Ring& ring);
    // o -> queued, at `now`. Called in the guest's own time, when it signals its ring.
    void (*enqueue)(void* policy, Request& request, RealTime now);
    // queued -> in service: the request that the device serves next. Called while the device has room and a
    // request is queued. The answer must be a queued request, or, of a policy with Trait::idles only, an
    // instant after `now`, and break no order (above); otherwise the policy is ejected. The answered request
    // is not queued any longer.
    Decision (*next)(void* policy, RealTime now);
    // Optional: without it the call is spared. in service -> o: the device is done with the request, after
    // `service` of its time. The object is gone when complete returns.
    void (*complete)(void* policy, Request& request, Nanos service, RealTime now);
    // queued -> o, because its ring goes. The policy must keep no pointer to it.
    void (*withdraw)(void* policy, Request& request);
    // Optional. The weight of the domain changed, or some of its values; the new ones are already in it. A
    // policy with Trait::fixes_values hears of weights only.
    void (*tune)(void* policy, Domain& domain);
};

// What a class must offer to be a ring policy; checked where it is registered.
template<class P>
concept RingPolicy =
    std::derived_from<P, Policy> && std::derived_from<typename P::Request, Request> &&
    std::derived_from<typename P::Ring, Ring> && std::derived_from<typename P::Domain, Domain> &&
    std::constructible_from<P, const Setup<P>&> && requires(P p, typename P::Request& request, RealTime now) {
        { p.enqueue(request, now) } -> std::same_as<void>;
        { p.next(now) } -> std::same_as<Decision>;
        { p.withdraw(request) } -> std::same_as<void>;
        { P::text } -> std::convertible_to<const Text&>;
    };

// Turns the typed class into the binary table: every cast between the two worlds is here.
template<RingPolicy P>
struct Registration {
    static P& self(void* policy) { return *static_cast<P*>(policy); }
    static auto& own(Request& request) { return static_cast<typename P::Request&>(request); }
    static auto& own(Ring& ring) { return static_cast<typename P::Ring&>(ring); }
    static auto& own(Domain& domain) { return static_cast<typename P::Domain&>(domain); }

    static constexpr Hooks hooks{
        .ring_bytes = sizeof(typename P::Ring),
        .request_bytes = sizeof(typename P::Request),
        .create =
            [](void* policy, const plugin::Host& host, std::uint32_t depth, const std::int64_t* values) {
                ::new (policy) P{Setup<P>{Services{host, depth}, values}};
            },
        .create_domain = [](void* memory) { ::new (memory) typename P::Domain{}; },
        .create_ring = [](void* memory) { ::new (memory) typename P::Ring{}; },
        .create_request = [](void* memory) { ::new (memory) typename P::Request{}; },
        .attach =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Ring& ring) {
                if constexpr (requires(P p) { p.attach(own(ring)); })
                    self(policy).attach(own(ring));
            },
        .detach =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Ring& ring) {
                if constexpr (requires(P p) { p.detach(own(ring)); })
                    self(policy).detach(own(ring));
            },
        .enqueue = [](void* policy, Request& request,
                      RealTime now) { self(policy).enqueue(own(request), now); },
        .next = [](void* policy, RealTime now) { return self(policy).next(now); },
        .complete =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Request& request,
               [[maybe_unused]] Nanos service, [[maybe_unused]] RealTime now) {
                if constexpr (requires(P p) { p.complete(own(request), service, now); })
                    self(policy).complete(own(request), service, now);
            },
        .withdraw = [](void* policy, Request& request) { self(policy).withdraw(own(request)); },
        .tune =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Domain& domain) {
                if constexpr (requires(P p) { p.tune(own(domain)); })
                    self(policy).tune(own(domain));
            },
    };

    static constexpr bool hears_completions = requires(P p, Request& request, Nanos service, RealTime now) {
        p.complete(own(request), service, now);
    };
    static constexpr plugin::Descriptor descriptor = [] {
        auto made = plugin::describe<P>(plugin::Kind::ring, &hooks);
        made.traits |= trait_unless(hears_completions, Trait::ignores_completions);
        return made;
    }();
};

} // namespace bulkhead::ringctl

#define BULKHEAD_RING_POLICY(Class) BULKHEAD_EXPORT_POLICY(bulkhead::ringctl::Registration<Class>)
