// The contract of a scheduler: which vCPU runs on a pCPU, and for how long. A policy is a class with the
// hooks below. It is written against this header alone and never sees the hypervisor or the simulator.
//
//   class MyPolicy : public sched::Policy {
//     public:
//       struct Vcpu : sched::Vcpu { ... };      // what the policy keeps of each vCPU
//       struct Pcpu : sched::Pcpu { ... };      // of each pCPU (optional: sched::Pcpu serves)
//       struct Domain : sched::Domain { ... };  // of each domain (optional: sched::Domain serves)
//       static constexpr plugin::Parameter parameters[] = {{"slice", "us", "...", 5000, 100, 100000}};
//       static constexpr plugin::Parameter domain_parameters[] = {...};         // (optional) of each domain
//       static constexpr sched::Text text{.name = "my_policy", .summary = "...", ...};
//       explicit MyPolicy(const sched::Setup<MyPolicy>& setup);
//       ... hooks ...
//   };
//   BULKHEAD_SCHEDULER(MyPolicy)
//
// States of a vCPU as the policy sees them:
//
//      attach           wake                pick
//   o ------> blocked ------> queued <---------------> running
//                ^               | deschedule:         |
//                |               |  paused, gone       | deschedule: blocked, paused, gone -> blocked
//                +---------------+---------------------+ deschedule: slice_end, yielded, preempted -> queued
//
// All hooks run with interrupts held off from the guest's point of view, one at a time per machine (the
// host holds the scheduler lock), and must return within `hook_budget`. A wrong answer, a fault, or an
// overrun ejects the policy. A policy keeps no state outside its own objects: a plug-in with writable
// globals does not link.
//
// What a policy may rely on:
// - The order is create_pcpu for each pCPU, create, then create_domain, create_vcpu and attach as guests
//   come. The memory is zeroed, the host fills the base part after create_domain and the like, and
//   objects stay at their address. A Domain outlives the detach of its last vCPU.
// - pick follows deschedule on the same pCPU, but hooks of other pCPUs may come in between: a vCPU that
//   was just descheduled may be picked elsewhere. An idle pCPU has had a pick that answered idle, and no
//   deschedule.
// - While a vCPU is queued and a pCPU that its affinity allows is idle, the host calls pick on that pCPU;
//   it does so after wake, and after a deschedule that leaves a queued vCPU behind. A policy kicks to
//   take a pCPU from a vCPU. It kicks idle pCPUs when it releases a vCPU that it held back (after tune).
// - A queued vCPU is offered to the idle pCPUs that it may use, one after another: each is asked to pick,
//   while the vCPU stays queued. A pick that answers idle on one pCPU does not end the offer.
// - A kick takes effect after the hook that asked for it has returned; an idle pCPU is then asked to
//   pick. Kicks of one pCPU before its next pick are one kick. The vCPU that ran there may block before
//   the kick arrives; it then gets one deschedule, with `blocked`, and the pick after that absorbs the
//   kick.
// - A kick of a pCPU that does not exist is a wrong answer.
// - A vCPU that yields while no other vCPU is queued or runs goes on in its slice; no hook is called.
// - A policy that promises to be work-conserving may answer idle beside a vCPU without a cap only while
//   that vCPU has waited for less than a millisecond under it. The host asks again after a millisecond,
//   and ejects the policy if it answers idle then.
// - A domain has been starved once it waits longer than two seconds (ten where the policy may idle), or than
//   a least slice takes at its weight's share of one pCPU, and a turn of every vCPU. It waits while a vCPU of
//   it is queued and none runs. A vCPU has been starved once it waits for that long times the vCPUs of its
//   domain that were runnable meanwhile. So weight may count for domains, however many vCPUs they have.
// - A vCPU's affinity changes only while the vCPU is blocked (the host pauses it first) and always allows
//   some pCPU.
// - A vCPU's preferred pCPUs change like its affinity, and never forbid anything. The host offers a queued
//   vCPU to the idle pCPUs that it prefers before it offers it to others, under every policy. A policy that
//   declares `honours_preferences` promises more: a vCPU that could always run on a pCPU that it prefers runs
//   on no other.
// - A slice may end later than asked for, or earlier (timer rounding): trust `ran` and `now`, not the
//   slice. `now` never goes backwards from one hook to the next.
// - When policies are swapped, the new policy gets attach for every vCPU, and wake if it is runnable; none of
//   them runs then. With many vCPUs this takes several steps, and picks come in between. Slices may be
//   shorter than asked for until the last step. Weights and caps are already in the domains. The values that
//   domains were given belong to the policy that the run began with. Under another policy the values are that
//   policy's own defaults.
#pragma once

#include "plugin/policy.hpp"

#include <concepts>

namespace bulkhead::sched {

inline constexpr Nanos hook_budget = microseconds(100);
inline constexpr Nanos least_slice = microseconds(50); // a shorter slice is a wrong answer
inline constexpr Nanos longest_slice = milliseconds(1'000);
inline constexpr std::uint32_t default_weight = 256;

// Why a vCPU stopped running (or left the queue).
enum class Stop : std::uint32_t {
    slice_end = 0, // the slice is used up; still runnable
    yielded = 1,   // the vCPU gave up the pCPU; still runnable
    preempted = 2, // a kick; still runnable
    blocked = 3,   // waits for an event
    paused = 4,    // the control plane stopped it; also sent for a queued vCPU (ran = 0)
    gone = 5,      // the vCPU will never run again; detach follows
};
[[nodiscard]] constexpr bool still_runnable(Stop why) { return why <= Stop::preempted; }

// Written by the host, read by the policy. A policy derives its own types from these.
struct Pcpu {
    PcpuId id;
};

struct Domain {
    DomainId id;
    std::uint16_t vcpus;  // attached ones, including the one in the hands of attach or detach
    std::uint32_t weight; // relative share, 1 to 65535
    std::uint32_t cap;    // per cent of one pCPU, 0 for none
    std::int64_t values[plugin::max_domain_parameters]; // effective, in the order of domain_parameters
};

struct Vcpu {
    Domain* domain;
    VcpuId id;
    PcpuId last_pcpu; // where the vCPU runs or ran last, or should start; set by the host after pick
    std::uint64_t
        affinity; // bit n: may run on pCPU n; all bits, also of pCPUs that do not exist: on every one
    // bit n: the vCPU had rather run on pCPU n; some allowed pCPU is among them, or it is 0: none is
    // preferred
    std::uint64_t preferred;
    [[nodiscard]] bool may_run_on(PcpuId pcpu) const { return (affinity >> pcpu.value() & 1) != 0; }
    [[nodiscard]] bool prefers(PcpuId pcpu) const { return (preferred >> pcpu.value() & 1) != 0; }
};

// pick's answer. No vCPU means idle: pick is called again when a vCPU that may run here is queued, on a kick,
// and after `slice` if that is not `until_kicked` (at least least_slice, for instance until a capped vCPU may
// run again).
struct Decision {
    Vcpu* vcpu;
    Nanos slice;
    static constexpr Nanos until_kicked = Nanos{INT64_MAX};
    [[nodiscard]] static constexpr Decision idle() { return {nullptr, until_kicked}; }
};

using Trait = plugin::Trait;
using Text = plugin::Text;

// The services of the host, typed. Copyable; a policy keeps one.
class Services : public plugin::Services {
  public:
    using plugin::Services::Services;
    [[nodiscard]] std::uint32_t pcpus() const { return host().pcpus; }
    void kick(PcpuId pcpu) const { host().kick(host().context, pcpu); }
};

// Base of every policy: defaults for the optional parts.
class Policy : public plugin::Defaults {
  public:
    static constexpr bool honours_preferences = false; // true: see above
    struct Domain : sched::Domain {};
    struct Pcpu : sched::Pcpu {};
};

// What a policy's constructor gets: services, its pCPUs, the effective parameters in the order of its table.
template<class P>
struct Setup {
    Services services;
    typename P::Pcpu* pcpus; // services.pcpus() of them
    const std::int64_t* values;
};

// The hooks by their numbers in reports, traces and results. `create` stands for all construction.
enum class Hook : std::uint32_t { create, attach, detach, wake, deschedule, pick, place, charge, tune };

// The binary hook table behind the descriptor. `create` and `create_...` construct the policy's objects; the
// rest are the hooks.
struct Hooks {
    void (*create)(void* policy, const plugin::Host& host, Pcpu* pcpus, const std::int64_t* values);
    void (*create_domain)(
        void* memory); // constructs the policy's per-domain part; the host then fills the base
    void (*create_vcpu)(void* memory);
    void (*create_pcpu)(void* memory);

    // A vCPU appears, not runnable. Its Domain is complete. Nothing to answer.
    void (*attach)(void* policy, Vcpu& vcpu);
    // A vCPU disappears. It is neither queued nor running. The policy must keep no pointer to it.
    void (*detach)(void* policy, Vcpu& vcpu);
    // blocked -> queued, at `now`. The policy may kick a busy pCPU if this vCPU should run there at once;
    // idle pCPUs that the vCPU may use are left to the host.
    void (*wake)(void* policy, Vcpu& vcpu, RealTime now);
    // running -> queued or blocked (or queued -> blocked when paused or gone). `ran` is real time on the pCPU
    // since pick. It includes the hypervisor's work for this vCPU and excludes its work for others. So `ran`
    // may be less than now minus the time of pick. It may be more by a switch before this turn: the time from
    // a vCPU's stop to the next pick counts for that vCPU, or for the one that preempted it. The `ran` of all
    // vCPUs add up to at most real time times pCPUs.
    void (*deschedule)(void* policy, Vcpu& vcpu, Stop why, Nanos ran, RealTime now);
    // queued -> running: the vCPU that runs on `pcpu` next. The vCPU must be queued and allowed there by its
    // affinity, and its slice must lie between least_slice and longest_slice; otherwise the policy is
    // ejected. The vCPU is not queued any longer when pick returns. pick may kick other pCPUs, not its own.
    Decision (*pick)(void* policy, Pcpu& pcpu, RealTime now);
    // Optional. Several idle pCPUs could run this queued vCPU: which of them is to be asked to pick first?
    // The answer is a hint: the host ignores a pCPU that is busy, not allowed, or not preferred where a
    // preferred one is idle. Default: the vCPU's last pCPU.
    PcpuId (*place)(void* policy, Vcpu& vcpu, RealTime now);
    // Optional. The hypervisor worked `amount` for this vCPU while it was not running (its timer fired, its
    // ring was served). A policy that only gives turns or slots keeps no account to charge.
    void (*charge)(void* policy, Vcpu& vcpu, Nanos amount);
    // Optional. The weight or cap of the domain changed, or some of its values, at any time; the new ones are
    // already in it. A policy with Trait::fixes_values hears of weights and caps only.
    void (*tune)(void* policy, Domain& domain);
};

// What a class must offer to be a scheduler; checked where it is registered.
template<class P>
concept Scheduler =
    std::derived_from<P, Policy> && std::derived_from<typename P::Vcpu, Vcpu> &&
    std::derived_from<typename P::Pcpu, Pcpu> && std::derived_from<typename P::Domain, Domain> &&
    std::constructible_from<P, const Setup<P>&> &&
    requires(P p, typename P::Vcpu& vcpu, typename P::Pcpu& pcpu, RealTime now, Nanos ran, Stop why) {
        { p.attach(vcpu) } -> std::same_as<void>;
        { p.detach(vcpu) } -> std::same_as<void>;
        { p.wake(vcpu, now) } -> std::same_as<void>;
        { p.deschedule(vcpu, why, ran, now) } -> std::same_as<void>;
        { p.pick(pcpu, now) } -> std::same_as<Decision>;
        { P::text } -> std::convertible_to<const Text&>;
    };

// Turns the typed class into the binary table: every cast between the two worlds is here.
template<Scheduler P>
struct Registration {
    static P& self(void* policy) { return *static_cast<P*>(policy); }
    static auto& own(Vcpu& vcpu) { return static_cast<typename P::Vcpu&>(vcpu); }
    static auto& own(Pcpu& pcpu) { return static_cast<typename P::Pcpu&>(pcpu); }
    static auto& own(Domain& domain) { return static_cast<typename P::Domain&>(domain); }

    static constexpr Hooks hooks{
        .create =
            [](void* policy, const plugin::Host& host, Pcpu* pcpus, const std::int64_t* values) {
                ::new (policy) P{Setup<P>{Services{host}, static_cast<typename P::Pcpu*>(pcpus), values}};
            },
        .create_domain = [](void* memory) { ::new (memory) typename P::Domain{}; },
        .create_vcpu = [](void* memory) { ::new (memory) typename P::Vcpu{}; },
        .create_pcpu = [](void* memory) { ::new (memory) typename P::Pcpu{}; },
        .attach = [](void* policy, Vcpu& vcpu) { self(policy).attach(own(vcpu)); },
        .detach = [](void* policy, Vcpu& vcpu) { self(policy).detach(own(vcpu)); },
        .wake = [](void* policy, Vcpu& vcpu, RealTime now) { self(policy).wake(own(vcpu), now); },
        .deschedule = [](void* policy, Vcpu& vcpu, Stop why, Nanos ran,
                         RealTime now) { self(policy).deschedule(own(vcpu), why, ran, now); },
        .pick = [](void* policy, Pcpu& pcpu, RealTime now) { return self(policy).pick(own(pcpu), now); },
        .place =
            [](void* policy, Vcpu& vcpu, RealTime now) {
                if constexpr (requires(P p) {
                                  { p.place(own(vcpu), now) } -> std::same_as<PcpuId>;
                              })
                    return self(policy).place(own(vcpu), now);
                else
                    return static_cast<void>(policy), static_cast<void>(now), vcpu.last_pcpu;
            },
        .charge =
            [](void* policy, Vcpu& vcpu, Nanos amount) {
                if constexpr (requires(P p) { p.charge(own(vcpu), amount); })
                    self(policy).charge(own(vcpu), amount);
                else
                    static_cast<void>(policy), static_cast<void>(vcpu), static_cast<void>(amount);
            },
        .tune =
            [](void* policy, Domain& domain) {
                if constexpr (requires(P p) { p.tune(own(domain)); })
                    self(policy).tune(own(domain));
                else
                    static_cast<void>(policy), static_cast<void>(domain);
            },
    };

    static constexpr plugin::Descriptor descriptor = [] {
        auto made = plugin::describe<P>(plugin::Kind::scheduler, &hooks);
        made.vcpu_bytes = sizeof(typename P::Vcpu);
        made.pcpu_bytes = sizeof(typename P::Pcpu);
        return made;
    }();
};

} // namespace bulkhead::sched

#define BULKHEAD_SCHEDULER(Class) BULKHEAD_EXPORT_POLICY(bulkhead::sched::Registration<Class>)
