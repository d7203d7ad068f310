// The contract of a memory policy: how many frames each domain may have, and from which zone they come. A
// policy is a class with the hooks below. The policy is written against this header alone and never sees the
// hypervisor or the simulator.
//
//   class MyPolicy : public memctl::Policy {
//     public:
//       struct Domain : memctl::Domain { ... };  // what the policy keeps of each domain (optional)
//       static constexpr plugin::Parameter parameters[] = {...};         // (optional)
//       static constexpr plugin::Parameter domain_parameters[] = {...};  // (optional) of each domain
//       static constexpr memctl::Text text{.name = "my_policy", .summary = "...", ...};
//       explicit MyPolicy(const memctl::Setup<MyPolicy>& setup);
//       ... hooks ...
//   };
//   BULKHEAD_MEMORY_POLICY(MyPolicy)
//
// A domain has a target, which the policy sets in rebalance, and frames. A domain below its target gets
// frames when it asks for them, as far as frames are free. A domain above its target is asked to give frames
// back (its balloon) until it reaches the target. The host never gives a domain a frame beyond its target.
//
// Hooks are called one at a time (the host holds the lock of the machine's memory), with interrupts held off,
// and must return within `hook_budget`; rebalance within `rebalance_budget`. A wrong answer, a fault, or a
// hook that does not return ejects the policy. The simulator does not measure hooks: it ejects for time only
// a hook that would never end. A policy keeps no state outside its
// own objects: a plug-in with writable globals does not link.
//
// What a policy may rely on:
// - The order is create, then for each domain create_domain, admit and, if it was admitted, rebalance.
//   The memory is zeroed, the host fills the base part after create_domain, and objects stay at their
//   address until depart.
// - The host keeps `has`, `target`, `missed`, `memory_pressure`, `balloon` and the zones' `free` up to date
// before every
//   hook; `ran`, `waited` and, on the hypervisor, `memory_pressure` before each periodic rebalance.
// - rebalance follows every admit, depart and tune, and comes at least once per `longest_period`. Before
//   rebalance the host may have called sample for some domains.
// - When policies are swapped, the new policy gets admit for every domain, and then rebalance. The host
//   ignores the answers of these admits. Domains keep their frames and, until rebalance, their targets.
#pragma once

#include "plugin/policy.hpp"

#include <compare>
#include <concepts>
#include <cstddef>
#include <span>

namespace bulkhead::memctl {

inline constexpr Nanos hook_budget = microseconds(100);
inline constexpr Nanos rebalance_budget = milliseconds(1);
inline constexpr Nanos longest_period = milliseconds(1'000);
inline constexpr std::uint32_t default_weight = 256;

// A number of page frames, or a difference of two.
class Frames {
  public:
    constexpr Frames() = default;
    constexpr explicit Frames(std::int64_t count) : count_{count} {}
    [[nodiscard]] constexpr std::int64_t count() const { return count_; }
    friend constexpr auto operator<=>(const Frames&, const Frames&) = default;
    friend constexpr Frames operator+(Frames a, Frames b) { return Frames{a.count_ + b.count_}; }
    friend constexpr Frames operator-(Frames a, Frames b) { return Frames{a.count_ - b.count_}; }
    constexpr Frames& operator+=(Frames other) { return count_ += other.count_, *this; }
    constexpr Frames& operator-=(Frames other) { return count_ -= other.count_, *this; }

  private:
    std::int64_t count_{};
};

using ZoneId = Strong<struct ZoneIdTag, std::uint16_t>;

// A part of the machine's memory whose frames are alike: a node's, or those of one colour of the last-level
// cache.
struct Zone {
    ZoneId id;
    Frames frames;
    Frames free;
};

// What a guest that waits for memory says of it: a part of what Linux calls pressure stall information. Both
// are counted from the last rebalance on. They are a guest's word: a guest may claim stalls that it does not
// have, or keep silent about its own. The host bounds the time, and nothing else. So a claim must never cost
// another domain what that one has by weight, and no target is below `least`.
struct Pressure {
    Nanos stalled;          // waited for pages that it had paged out; at most the time since then
    std::uint64_t refaults; // such pages
    bool is_measured;       // the guest has reported faults, ever; else nothing is known
};

// How a guest's balloon follows its target.
enum class Balloon : std::uint32_t {
    settled, // the domain has no more than its target
    moving,  // it has more, and gave a frame back, or was first asked to, within balloon_patience
    stuck,   // it has more, gave frames back earlier, and none within balloon_patience
    absent,  // it has more, and has never given a frame back that it was asked for
};
inline constexpr Nanos balloon_patience = milliseconds(500);

// Written by the host, read by the policy. A policy derives its own type from it.
struct Domain {
    DomainId id;
    std::uint32_t weight; // relative share, 1 to 65535
    Frames least;         // the domain cannot live with fewer; at least 1
    Frames most;          // the domain's size: it cannot use more
    Frames has;
    Frames target;
    Nanos ran;            // what its vCPUs have run in all, without the hypervisor's work
    Nanos waited;         // what they have waited for a pCPU
    std::uint64_t missed; // times the domain wanted a frame that it did not have, since the last rebalance
    Pressure memory_pressure;
    Balloon balloon;
    std::int64_t values[plugin::max_domain_parameters]; // effective, in the order of domain_parameters
};

// choose's answer: so many frames of a zone, or none for now.
struct Grant {
    ZoneId zone;
    Frames frames;
    [[nodiscard]] static constexpr Grant none() { return {}; }
};

// A domain and the target that it will have: a row of rebalance's plan.
struct Row {
    Domain* domain;
    Frames target; // the present target; the policy writes the new one
};

// All rows, with domains of the policy's own type. In the order in which domains were admitted.
template<class D>
class Plan {
  public:
    explicit Plan(std::span<Row> rows) : rows_{rows} {}
    [[nodiscard]] std::size_t size() const { return rows_.size(); }
    [[nodiscard]] D& domain(std::size_t i) const { return static_cast<D&>(*rows_[i].domain); }
    [[nodiscard]] Frames& target(std::size_t i) const { return rows_[i].target; }

  private:
    std::span<Row> rows_;
};

using Trait = plugin::Trait;
using Text = plugin::Text;
using Services = plugin::Services;

// Base of every policy: defaults for the optional parts.
class Policy : public plugin::Defaults {
  public:
    struct Domain : memctl::Domain {};
};

// What a policy's constructor gets: services, the machine's zones (kept up to date), the frames for
// domains in all, the effective parameters in the order of its table.
template<class P>
struct Setup {
    Services services;
    std::span<const Zone> zones;
    Frames frames;
    const std::int64_t* values;
};

// What `create` is told of the machine, in a form that both sides of the border know.
struct Machine {
    const Zone* zones;
    std::uint32_t zone_count;
    Frames frames;
};

// The hooks by their numbers in reports, traces and results. `create` stands for all construction.
enum class Hook : std::uint32_t { create, admit, depart, choose, rebalance, sample, reclaim, tune };

// The binary hook table behind the descriptor. `create` and `create_domain` bracket the policy's life; the
// rest are the hooks.
struct Hooks {
    void (*create)(void* policy, const plugin::Host& host, const Machine& machine,
                   const std::int64_t* values);
    void (*create_domain)(void* memory); // constructs the policy's part; the host then fills the base

    // May this domain be built? Its `target` and `has` are 0. The sum of the `least` of all admitted domains
    // must fit into the machine; otherwise the policy is ejected.
    bool (*admit)(void* policy, Domain& domain);
    // Optional. A domain disappears; its frames are free again. Also follows an admit whose answer
    // was false. The policy must keep no pointer to it.
    void (*depart)(void* policy, Domain& domain);
    // From which zone does `domain` get up to `wanted` frames? The domain is below its target, and some zone
    // has a free frame. The answer must name a zone with so many free frames, at least one and at most
    // `wanted`. An answer of none ejects a policy without Trait::idles. Called in the domain's own time.
    Grant (*choose)(void* policy, Domain& domain, Frames wanted);
    // Sets the target of every row: from `least` to `most` of its domain, together no more than the machine
    // has.
    void (*rebalance)(void* policy, Row* rows, std::uint32_t count, RealTime now);
    // Optional. Of `looked_at` frames of the domain, taken at random, `used` were used since they were drawn.
    // The host draws others in each period in which the domain ran for a millisecond; the same ones are
    // looked at again for a domain that ran less.
    void (*sample)(void* policy, Domain& domain, Frames looked_at, Frames used, RealTime now);
    // Optional. The domain has been `over` its target for `late`, asked to give frames back. How many shall
    // come back by force? At most `over`. Asked once in a period. A host withholds a part of the domain's
    // time, more and more up to a limit, as long as the answer is above 0 (host/press.hpp). The simulator can
    // be told to take the frames instead: 64 of them, then a break of 500 us beside the work for them, less
    // those that the domain gives back meanwhile. Default: none.
    Frames (*reclaim)(void* policy, Domain& domain, Frames over, Nanos late);
    // Optional. The weight of the domain changed, or some of its values; the new ones are already in it. A
    // policy with Trait::fixes_values hears of weights only.
    void (*tune)(void* policy, Domain& domain);
};

// What a class must offer to be a memory policy; checked where it is registered.
template<class P>
concept MemoryPolicy =
    std::derived_from<P, Policy> && std::derived_from<typename P::Domain, Domain> &&
    std::constructible_from<P, const Setup<P>&> &&
    requires(P p, typename P::Domain& domain, Plan<typename P::Domain> plan, Frames wanted, RealTime now) {
        { p.admit(domain) } -> std::same_as<bool>;
        { p.choose(domain, wanted) } -> std::same_as<Grant>;
        { p.rebalance(plan, now) } -> std::same_as<void>;
        { P::text } -> std::convertible_to<const Text&>;
    };

// Turns the typed class into the binary table: every cast between the two worlds is here.
template<MemoryPolicy P>
struct Registration {
    using OwnDomain = typename P::Domain;
    static P& self(void* policy) { return *static_cast<P*>(policy); }
    static OwnDomain& own(Domain& domain) { return static_cast<OwnDomain&>(domain); }

    static constexpr Hooks hooks{
        .create =
            [](void* policy, const plugin::Host& host, const Machine& machine, const std::int64_t* values) {
                ::new (policy)
                    P{Setup<P>{Services{host}, {machine.zones, machine.zone_count}, machine.frames, values}};
            },
        .create_domain = [](void* memory) { ::new (memory) OwnDomain{}; },
        .admit = [](void* policy, Domain& domain) { return self(policy).admit(own(domain)); },
        .depart =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Domain& domain) {
                if constexpr (requires(P p) { p.depart(own(domain)); })
                    self(policy).depart(own(domain));
            },
        .choose = [](void* policy, Domain& domain,
                     Frames wanted) { return self(policy).choose(own(domain), wanted); },
        .rebalance = [](void* policy, Row* rows, std::uint32_t count,
                        RealTime now) { self(policy).rebalance(Plan<OwnDomain>{{rows, count}}, now); },
        .sample =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Domain& domain,
               [[maybe_unused]] Frames looked_at, [[maybe_unused]] Frames used,
               [[maybe_unused]] RealTime now) {
                if constexpr (requires(P p) { p.sample(own(domain), looked_at, used, now); })
                    self(policy).sample(own(domain), looked_at, used, now);
            },
        .reclaim =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Domain& domain, [[maybe_unused]] Frames over,
               [[maybe_unused]] Nanos late) {
                if constexpr (requires(P p) { p.reclaim(own(domain), over, late); })
                    return self(policy).reclaim(own(domain), over, late);
                else
                    return Frames{};
            },
        .tune =
            []([[maybe_unused]] void* policy, [[maybe_unused]] Domain& domain) {
                if constexpr (requires(P p) { p.tune(own(domain)); })
                    self(policy).tune(own(domain));
            },
    };

    static constexpr plugin::Descriptor descriptor = plugin::describe<P>(plugin::Kind::memory, &hooks);
};

} // namespace bulkhead::memctl

#define BULKHEAD_MEMORY_POLICY(Class) BULKHEAD_EXPORT_POLICY(bulkhead::memctl::Registration<Class>)
