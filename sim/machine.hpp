// The simulated machine: pCPUs, domains, their vCPUs, timers and events, under one scheduler plug-in, whose
// host is host/scheduler_host.hpp. Time moves only between events; the same inputs give the same trace.
#pragma once

#include "abi/landmark.hpp"
#include "sim/address_range.hpp"
#include "sim/costs.hpp"
#include "sim/guard.hpp"
#include "sim/program.hpp"
#include "sim/recorder.hpp"
#include "sim/scheduler_world.hpp"
#include "sim/timer_queue.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace bulkhead::sim {

// Orders of deadlines that do not belong to a vCPU.
inline constexpr std::uint32_t first_own_order = UINT32_MAX - 7, housekeeping_order = UINT32_MAX;

struct Options {
    std::uint32_t pcpus = 1;
    std::uint64_t seed = 1;
    Costs costs{};     // in nanoseconds
    bool eject = true; // replace a policy that misbehaves by the fallback, as the hypervisor does; else throw
    bool housekeeping = true;
    std::uint32_t trace_groups = 0;  // bits of trace::Group
    std::uint64_t trace_records = 0; // most of them on each pCPU
};

enum class WakeCause : std::uint64_t { unpause = 0, event = 1, timer = 2, kick = 3 };
using host::RunState;

struct Domain;

struct Vcpu final : Guest {
    host::VcpuState sched;
    Domain* domain = nullptr;
    Program program;
    Deadline timer;
    VcpuId id{};
    bool waiting = false; // for an event or its timer
    bool fetched = false; // step_ is to be carried out; else the program is asked for the next one
    bool waited = false;  // the step, a wait, has blocked already
    bool upcall = false;  // an event is to be delivered when it next runs guest code
    std::uint32_t pauses = 0;
    Nanos left{};       // guest work left in the step
    Nanos other_work{}; // on its pCPU while it ran, not for it
    Nanos owed{};     // of its timer's interrupts and of a switch that it caused: the policy was not told yet
    RealTime since{}; // of the state
    RealTime run_since{};

    friend class Machine;
};

struct Domain {
    DomainId id;
    host::DomainState sched;
    bool paused = true;       // by the control plane
    std::uint32_t pauses = 1; // that, and turns that are withheld from it
    bool alive = true;        // false once it has shut down or is destroyed
    std::vector<Vcpu*> vcpus;
    std::unique_ptr<host::TimerLine[]> timer_lines; // one for each pCPU
    landmark::LedgerEntry ledger{};
    host::ChangedValues ring_changes; // of the ring policy's parameters, while it ran
};

// Of each vCPU, in their order, the pCPUs that it may use and those that it had rather use, 0 for none. One
// that is missing may use all.
struct Placements {
    std::vector<std::uint64_t> affinity, preferred;
};

struct DomainSpec {
    std::string name;
    std::uint32_t weight = sched::default_weight;
    std::uint32_t cap = 0;   // per cent of one pCPU, 0 for none
    std::uint32_t share = 0; // host::DomainState::share
    Placements placements;
    std::vector<std::int64_t> sched_values; // in the order of domain_parameters; none: the defaults
    std::vector<ProgramMaker> programs;     // of each vCPU; an empty one never runs
    bool one_by_one = false;                // all but the first vCPU wait until the guest starts them
};

struct Core {
    PcpuId id{};
    bool need_dispatch = false;
    bool halted = true;
    host::PcpuState sched;
    Vcpu* current = nullptr;
    Vcpu* loaded = nullptr;
    RealTime from{};                    // guest code runs since then, or will
    RealTime ends = RealTime::never();  // of the slice, or of what idle was granted
    RealTime poked = RealTime::never(); // an interrupt from another pCPU
    RealTime next = RealTime::never();  // when something happens here
    RealTime posted{};                  // the ledger is up to date until then
    RealTime halted_since{};
    RealTime entered{}; // into the hypervisor
    sched::Stop reason = sched::Stop::preempted;
    host::TimerQueue timers;
    host::TimerLine own_timers; // the machine's
    Vcpu* served = nullptr;     // the account is that of this timer's owner, not the current vCPU's
    landmark::PcpuLedger ledger{};

    [[nodiscard]] RealTime interrupted_at() const { return std::min(std::min(ends, poked), timers.first()); }
};

class Machine {
  public:
    Machine(Policy policy, const Options& options);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Exists, paused, until the first unpause.
    Domain& create_domain(DomainSpec spec, DomainId id);
    void unpause(Domain& domain);
    void pause(Domain& domain);
    // The same without a word in the trace.
    void hold(Domain& domain);
    void let_go(Domain& domain);
    void pause(Vcpu& vcpu);
    void unpause(Vcpu& vcpu);
    void destroy(Domain& domain);
    void set_share(Domain& domain, std::uint32_t weight, std::uint32_t cap);
    // Parameters of the scheduler's.
    [[nodiscard]] host::Change change(Domain& domain, const plugin::ValueChanges& changes);
    void set_affinity(Vcpu& vcpu, std::uint64_t affinity);
    void shut_down(Domain& domain, std::uint32_t reason); // as if it had asked for it
    void start_at(RealTime start); // before anything has run: what came until then belongs to no account
    void end_at(RealTime end) { end_ = end; } // at the first housekeeping after that
    void end_run(landmark::Exit status);

    // Lets another policy take over all vCPUs as they stand. Called from domain 0's own step.
    void swap(Policy policy, const Costs& costs);

    // Carries events out until `end`, or the run's end, or so many. True if there is more to do before `end`.
    bool run_until(RealTime end, std::uint64_t events = UINT64_MAX);

    [[nodiscard]] RealTime now() const { return now_; }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] std::deque<Domain>& domains() { return domains_; }
    [[nodiscard]] std::uint64_t decisions() const { return decisions_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] const Costs& costs() const { return options_.costs; }
    Recorder& recorder() { return recorder_; }
    // What a reader of the hypervisor's RAM would find, settled up to now; pointers in the page are left for
    // the caller to fill. Changes nothing, so a machine that is looked at goes on as if it were not.
    struct Summary {
        landmark::Page page;
        std::vector<landmark::LedgerEntry> ledger;
    };
    [[nodiscard]] Summary summary() const;

    // For what the machine has beside its pCPUs: devices, memory (peripherals.cpp).
    // on_alarm is called at `at` from an interrupt of the pCPU that set it last, at first pCPU 0; never
    // disarms.
    void set_alarm(Deadline& alarm, RealTime at);
    // The hypervisor works on a domain's behalf, here and now; nullptr: for no domain.
    void work_for(Domain* domain, Nanos amount);
    void send_event(const Domain& domain); // to its first vCPU
    void record(trace::Event event, const Domain* domain, std::uint64_t a, std::uint64_t b);
    std::function<void(Machine&, const Deadline&)> on_alarm;
    // A guest's program asks for something (Step::Call::service).
    std::function<void(Machine&, Vcpu&, std::uint64_t which, std::uint64_t argument)> on_service;
    // A guest reports a fault of one of its pages, and how many ns it waits for the page.
    std::function<void(const Domain&, std::uint64_t wait)> on_page_fault;

    // What domain 0's program asks for (Step::Call::control).
    std::function<void(Machine&, manifest::Action, std::uint64_t target, std::int64_t argument)> on_control;
    // A domain has shut down by itself.
    std::function<void(Machine&, Domain&)> on_shutdown;

  private:
    friend struct SchedulerWorld;
    using Hook = sched::Hook;

    // machine.cpp, accounts.hpp
    void keep_house(Core& core);
    void set_costs(const Costs& costs);
    [[nodiscard]] landmark::PolicyReport counted() const;
    void settle(Vcpu& vcpu, RealTime now);
    void bill(Core& core, Domain* domain, std::int64_t cost);
    void bill_guest(Core& core, Vcpu& vcpu, RealTime until);
    void end_section(const Core& core);
    // dispatch.cpp
    [[nodiscard]] Core& next_core();
    void advance(Core& core);
    bool wake_from_halt(Core& core);
    void interrupt(Core& core);
    bool complete(Core& core);
    void carry_out(Core& core, Vcpu& vcpu);
    [[nodiscard]] bool set_timer(Core& core, Vcpu& vcpu, RealTime deadline);
    static void block(Core& core, Vcpu& vcpu, bool event_waits);
    void leave_hypervisor(Core& core);
    void fetch(const Core& core, Vcpu& vcpu);
    void run_timers(Core& core);
    void fire_due(Core& core);
    void fire(Core& core, Vcpu& owner, RealTime deadline);
    template<class Wake>
    [[nodiscard]] std::int64_t cost_of_waking(std::int64_t rest, Wake wake);
    static void arm(Core& core, Vcpu& vcpu, RealTime deadline) {
        core.timers.arm(vcpu.timer, vcpu.domain->timer_lines[core.id.value()], deadline);
    }
    void dispatch(Core& core);
    void stop_current(Core& core, sched::Stop why);
    void start(Core& core, Vcpu& vcpu, Nanos slice);
    void halt(Core& core, Nanos longest, Domain* payer);
    void send(Core& core, Vcpu& vcpu, Vcpu& target);
    static void refresh(Core& core);
    // wakeups.cpp
    [[nodiscard]] static bool may_run(const Vcpu& vcpu);
    void signal(Vcpu& vcpu);
    void wake(Vcpu& vcpu, WakeCause cause);
    void update(Vcpu& vcpu, WakeCause cause);
    void enqueue(Vcpu& vcpu, WakeCause cause);
    void leave_queue(Vcpu& vcpu, sched::Stop why);
    void take_off(Vcpu& vcpu, sched::Stop why);
    void remove(Vcpu& vcpu);
    void poke(PcpuId id);

    [[nodiscard]] const Core& where() const { return active_ != nullptr ? *active_ : cores_.front(); }
    // Never goes backwards, whichever pCPU asks.
    [[nodiscard]] RealTime for_policy() { return policy_now_ = std::max(policy_now_, now_); }
    void trace(const Core& core, trace::Event event, const Vcpu* vcpu, std::uint64_t a, std::uint64_t b) {
        if (!recorder_.wants(event))
            return;
        const bool of_guest = vcpu != nullptr;
        recorder_.add(core.id.value(), now_, event, of_guest ? vcpu->domain->id.value() : trace::no_domain,
                      of_guest ? vcpu->id.value() : std::uint16_t{0}, a, b);
    }

    Options options_;
    Recorder recorder_;
    std::uint64_t random_;
    AddressRange policy_memory_;
    Guard guard_;
    bool guarded_ = false;                        // the active policy's hooks are
    std::array<Nanos, 9> hook_times_{};           // by sched::Hook, from the costs
    std::array<std::uint64_t, 9> hooks_called_{}; // by sched::Hook, since the costs are these
    std::vector<Core> cores_;
    std::deque<Domain> domains_;
    std::deque<Vcpu> vcpus_;
    std::vector<Vcpu*> by_slot_;
    host::SchedulerHost<SchedulerWorld> host_; // behind the vCPUs: it goes first
    std::size_t next_visited_ = 0;             // domain whose vCPUs are looked after next
    Deadline housekeeping_;
    Core* active_ = nullptr; // the pCPU that the present event is of
    RealTime now_{}, policy_now_{};
    std::uint64_t decisions_ = 0, events_ = 0, woken_ = 0, kicks_ = 0;
    Nanos rest_of_wake_{}; // what is left of the section when a pCPU is asked to pick
    RealTime end_ = RealTime::never();
    bool ended_ = false;
    landmark::Exit exit_ = landmark::Exit::time_over;
    landmark::PolicyReport report_{};
    landmark::NonPreemptibleSection longest_{};
    plugin::Fault complaint_{}; // of a service about the hook that uses it, while no guard takes it
};

} // namespace bulkhead::sim
