// The other side of sched/contract.hpp, for every world that schedules vCPUs. The host keeps the policy's
// objects, reports events to it, checks its answers and finds starvation. It puts the built-in fallback in
// the place of a policy that misbehaves. It never names a policy and knows no world: the list below names the
// members that a world must supply.
//
// The world calls every function with its scheduler lock held. It keeps its own vCPUs, runs them, and tells
// the host each change of state; from then on the host's states are the truth.
#pragma once

#include "host/control_share.hpp"
#include "host/fallbacks.hpp"
#include "host/schedulable.hpp"
#include "host/starvation.hpp"
#include "host/takeover.hpp"
#include "host/timer_debt.hpp"
#include "sched/contract.hpp"

#include <atomic>
#include <bit>

namespace bulkhead::host {

struct SchedulerKind {
    using Hooks = sched::Hooks;
    using Hook = sched::Hook;
    static constexpr Nanos hook_budget = sched::hook_budget;
    static constexpr const char* no_memory = "no memory for the scheduler: give the machine more (--mem)";
    static constexpr const char* no_fallback = "the built-in fallback scheduler cannot start";
    enum Pools : std::uint32_t { vcpus, domains, pcpus, pools };
    [[nodiscard]] static std::uint32_t bytes(const plugin::Descriptor& descriptor, std::uint32_t pool) {
        return pool == vcpus     ? descriptor.vcpu_bytes
               : pool == domains ? descriptor.domain_bytes
                                 : descriptor.pcpu_bytes;
    }
    [[nodiscard]] static constexpr bool is_array(std::uint32_t pool) { return pool == pcpus; }
};

// Besides what ActivePolicy asks for, the world has
//
//   types Vcpu, Domain, Pcpu               with members `sched` (host/schedulable.hpp) and `id`; Vcpu::domain
//   std::uint32_t pcpu_count()
//   Pcpu& pcpu(PcpuId)
//   Vcpu* vcpu_in_slot(std::uint32_t)      nullptr if there is none; any number may come
//   void for_each_vcpu(Domain&, visit)     visit(Vcpu&)
//   void kick(PcpuId)                      ends the turn there for the host too: PcpuState::until is over
//   void request_dispatch(PcpuId)          have the pCPU stop its vCPU and pick, soon
//   bool is_asked(PcpuId)                  whether it was asked to, and has not picked yet
//   void forget(void* object, bytes)       the policy has no right to this memory any more
template<class World>
class SchedulerHost : public Takeover<SchedulerHost<World>, World, SchedulerKind> {
    using Base = Takeover<SchedulerHost<World>, World, SchedulerKind>;
    friend Base;
    using Set = typename Base::Set;

  public:
    using Hook = sched::Hook;
    using Plugin = typename World::Plugin;
    using Vcpu = typename World::Vcpu;
    using Domain = typename World::Domain;
    using Pcpu = typename World::Pcpu;

    using Base::Base;

    // A vCPU becomes the policy's, blocked, and ceases to be. It does not run. False if memory is short.
    [[nodiscard]] bool attach(Vcpu& vcpu);
    void detach(Vcpu& vcpu);

    // blocked -> queued. An idle pCPU that it may use is asked to pick.
    void wake(Vcpu& vcpu, RealTime now);
    // queued -> running, on this pCPU; what `pick` has chosen.
    void start_running(Vcpu& vcpu, PcpuId pcpu);
    // running -> queued or blocked. The time when the policy had heard of it.
    RealTime stop(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now);
    // queued -> blocked.
    void withdraw(Vcpu& vcpu, sched::Stop why, RealTime now);
    void charge(Vcpu& vcpu, Nanos amount);
    // Weight or cap of the domain have changed.
    void tune(Domain& domain);
    // Parameters of the domain change; the policy hears of them if all are taken.
    [[nodiscard]] Change change(Domain& domain, const plugin::ValueChanges& changes);
    // The domain's part of a pCPU while every domain wants one.
    [[nodiscard]] Share share(const Domain& domain) const {
        return {domain.sched.weight, domain.sched.cap, weights_};
    }
    // The vCPU is blocked. Bit n: may run on pCPU n; some pCPU is among them.
    void set_affinity(Vcpu& vcpu, std::uint64_t pcpus);
    // Likewise; those that the affinity does not allow do not count.
    void set_preferred(Vcpu& vcpu, std::uint64_t pcpus);

    struct Choice {
        Vcpu* vcpu; // nullptr: idle, for at most `slice`
        Nanos slice;
        RealTime at; // when the policy had answered
    };
    // Which vCPU runs on this pCPU next. `before` is the one that was just stopped here, if it is queued
    // still: if it is not the answer, an idle pCPU is asked whether it wants it.
    [[nodiscard, gnu::always_inline]] inline Choice pick(Pcpu& pcpu, RealTime now, Vcpu* before);
    // The pCPU has been told to idle, and halts now; and it goes on.
    void idles(PcpuId pcpu);
    void resumes(PcpuId pcpu) { set_idle(pcpu, false); }

    // Every vCPU that could run has a pCPU. True also without the lock, but then perhaps a little late.
    [[nodiscard]] bool nobody_waits() { return monitor_.able() <= working(); }
    // Ejects the policy if a vCPU of the domain has waited beyond the bound.
    void check_starvation(Domain& domain, RealTime now);

  private:
    using Places = boost::intrusive::list<
        VcpuState, boost::intrusive::member_hook<VcpuState, decltype(VcpuState::place), &VcpuState::place>,
        boost::intrusive::constant_time_size<false>>;
    using Offers = boost::intrusive::list<
        VcpuState,
        boost::intrusive::member_hook<VcpuState, boost::intrusive::list_member_hook<>, &VcpuState::offers>,
        boost::intrusive::constant_time_size<false>>;

    // The control plane's share (docs/decisions/0019-control-plane.md), and the steps of a takeover: what the
    // common path does only if care_ says so. Everything crosses in registers.
    struct Stopped {
        bool unheard; // the policy does not hear of it
        Nanos ran;    // what it is to hear
    };
    struct Resumed {
        Vcpu* vcpu; // runs without a question to the policy; nullptr: none
        Nanos slice;
    };
    [[nodiscard, gnu::cold, gnu::noinline]] bool takes_on(Vcpu& vcpu, RealTime now);
    [[nodiscard, gnu::cold, gnu::noinline]] Stopped with_care(Vcpu& vcpu, sched::Stop why, Nanos ran,
                                                              RealTime now);
    [[nodiscard, gnu::cold, gnu::noinline]] Stopped releases(Vcpu& vcpu);
    [[nodiscard, gnu::cold, gnu::noinline]] Resumed before_pick(Pcpu& pcpu, RealTime now);
    [[nodiscard, gnu::cold, gnu::noinline]] Nanos after_pick(Vcpu* vcpu, Nanos slice, RealTime at,
                                                             PcpuId pcpu);
    void end_control_turn(Vcpu& vcpu, sched::Stop why, RealTime now);
    [[nodiscard]] Stopped set_aside(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now);
    [[nodiscard]] Resumed go_on(Pcpu& pcpu, RealTime now);
    void reclaim(PcpuId pcpu, RealTime now);
    [[nodiscard, gnu::cold, gnu::noinline]] bool chose_control(const sched::Vcpu* vcpu, RealTime now);
    [[gnu::cold, gnu::noinline]] void leave_place(RealTime now);
    void hand_to_policy(Vcpu& vcpu, RealTime now);
    [[nodiscard]] Nanos shortened(const Vcpu* vcpu, Nanos slice, RealTime at, PcpuId pcpu);
    [[nodiscard]] bool is_owed() const { return owed_ != nullptr && owed_->sched.state == RunState::queued; }
    [[nodiscard]] PcpuId home_of(const VcpuState& state, std::uint64_t among);
    void control_takeover();
    void look_for_control();

    static std::uint64_t bit(PcpuId pcpu) { return std::uint64_t{1} << pcpu.value(); }
    [[nodiscard]] std::uint32_t working() {
        return this->world().pcpu_count() - idling_.load(std::memory_order_relaxed);
    }
    void set_idle(PcpuId pcpu, bool idle) {
        if (((idle_ & bit(pcpu)) != 0) == idle)
            return;
        idle_ ^= bit(pcpu);
        const auto before = idling_.load(std::memory_order_relaxed);
        idling_.store(idle ? before + 1 : before - 1, std::memory_order_relaxed);
    }

    using Base::call;
    using Base::eject;
    using Base::hooks;
    using Base::object;

    [[nodiscard]] bool reserve(Pool* pools);
    [[nodiscard]] bool build(const Plugin& plugin, const std::int64_t* values, plugin::Fault& fault);
    static void construct(SchedulerHost& self, const std::int64_t* values);
    void fallback_is_in_charge();
    [[nodiscard]] sched::Domain* enter(Domain& domain);
    [[nodiscard]] bool enter(Vcpu& vcpu);
    void enter_all() { introduce_some(); } // the first step: see awaited_
    void introduce(Vcpu& vcpu);
    [[gnu::cold, gnu::noinline]] void introduce_some();
    [[nodiscard]] bool knows(const VcpuState& state) const {
        return (care_ & hands_over) == 0 || state.takeover == takeover_;
    }
    [[nodiscard]] bool knows(const DomainState& state) const {
        return state.policy != nullptr && state.takeover == takeover_;
    }
    void weigh(DomainState& state, std::uint32_t weight);
    [[nodiscard]] std::uint64_t affinity_of(const VcpuState& state);
    void tell_pcpus(VcpuState& state);
    // Those of `pcpus` that it prefers, or all of them if there are none.
    [[nodiscard]] static std::uint64_t best_of(std::uint64_t pcpus, const VcpuState& state) {
        return (pcpus & state.preferred) != 0 ? pcpus & state.preferred : pcpus;
    }
    [[nodiscard]] Vcpu* chosen(const sched::Decision& answer, PcpuId where);
    [[nodiscard, gnu::cold, gnu::noinline]] const char* wrong(const sched::Decision& answer, PcpuId where);
    [[nodiscard]] Nanos longest_idle(PcpuId where, RealTime now);
    [[nodiscard, gnu::cold, gnu::noinline]] Nanos longest_idle_beside_waiting(PcpuId where, RealTime now);
    [[gnu::noinline]] void offer(Vcpu& vcpu);
    void ask_next(VcpuState& state);
    [[gnu::noinline]] void pass_offers_on(PcpuId pcpu, const VcpuState& chosen);
    void drop_offers(VcpuState& state) {
        if (state.offers.is_linked())
            offers_.erase(offers_.iterator_to(state));
    }

    // vCPUs that one step of a takeover hands over: a step takes some 50 us.
    static constexpr std::uint32_t introduced_at_once = 16;
    // vCPUs that are looked at when a policy idles beside waiting ones.
    static constexpr std::uint32_t looked_at_once = 256;

    std::uint32_t vcpu_slots_ = 0, domain_slots_ = 0; // as many were in use at the most
    StarvationMonitor monitor_;
    // A successor hears of the attached vCPUs in steps, before each pick, or earlier of one that wakes. So no
    // takeover is long, however many there are.
    Places known_;   // to the active policy
    Places awaited_; // the others
    std::uint32_t takeover_ = 0;
    std::uint64_t weights_ = 0;             // sum over the domains that have an attached vCPU
    std::uint64_t idle_ = 0;                // bit n: pCPU n halts, and picks only when asked
    std::atomic<std::uint32_t> idling_ = 0; // how many
    // What asks for care in the common path: `awaited_` is not empty; the control plane is runnable with a
    // share, or a turn is interrupted for it.
    static constexpr std::uint8_t hands_over = 1, control = 2;
    std::uint8_t care_ = 0;
    void cares(std::uint8_t what, bool now) {
        care_ = static_cast<std::uint8_t>(now ? care_ | what : care_ & ~what);
    }
    bool gives_share_ = false;      // the active policy ignores weights
    Vcpu* control_plane_ = nullptr; // its vCPU
    Vcpu* kept_ = nullptr;          // the same, queued with the host
    Vcpu* owed_ = nullptr;          // the same, queued with the policy until its share suffices
    bool has_place_ = false;        // on its share, it is still queued for the policy: it keeps its place
    RealTime control_since_{};      // its turn on its share began
    ControlShare share_;
    Offers offers_; // for which not every idle pCPU was asked; some may run by now
};

} // namespace bulkhead::host

#include "host/scheduler_host_control.hpp"
#include "host/scheduler_host_life.hpp"
#include "host/scheduler_host_run.hpp"
