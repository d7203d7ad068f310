#include "abi/enum_name.hpp"
#include "sim/accounts.hpp"

#include <cstring>
#include <map>

namespace bulkhead::sim {

using trace::Event;

namespace {

constexpr std::uint64_t regions_of_set = host::SchedulerKind::pools + 1;

} // namespace

Machine::Machine(Policy policy, const Options& options)
    : options_{options}, recorder_{options.pcpus, options.trace_groups, options.trace_records},
      random_{options.seed}, policy_memory_{host::policy_sets * regions_of_set * host::region_bytes},
      cores_(options.pcpus), host_{SchedulerWorld{this}} {
    const Guard::Scope loops_end;
    set_costs(options.costs);
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        cores_[i].id = PcpuId{static_cast<std::uint16_t>(i)};
        cores_[i].poked = cores_[i].next = RealTime{};
        cores_[i].need_dispatch = true;
    }
    trace(cores_[0], Event::run_start, nullptr, trace::schema_version, 1'000'000'000);
    host_.start(policy, policy.values.data());
    for (const Core& core : cores_)
        host_.idles(core.id);
    housekeeping_.order = housekeeping_order;
    if (options_.housekeeping)
        cores_[0].timers.arm(housekeeping_, cores_[0].own_timers, RealTime{} + milliseconds(10));
}

Machine::~Machine() = default;

void Machine::start_at(RealTime start) {
    now_ = policy_now_ = start;
    for (Core& core : cores_) {
        core.poked = core.next = core.posted = start;
        core.ledger.start = start.since_start().count();
    }
    for (Vcpu& vcpu : vcpus_)
        vcpu.since = start;
    if (options_.housekeeping)
        cores_[0].timers.arm(housekeeping_, cores_[0].own_timers, start + milliseconds(10));
}

// The share of a hook in each cost is not known: a hook is counted with all of the step that calls it.
void Machine::set_costs(const Costs& costs) {
    report_ = counted();
    hooks_called_ = {};
    options_.costs = costs;
    const auto set = [&](Hook hook, std::int64_t cost) {
        hook_times_[static_cast<std::size_t>(hook)] = Nanos{cost};
    };
    set(Hook::wake, costs.woke);
    set(Hook::deschedule, costs.release);
    set(Hook::pick, costs.pick);
}

// The report with the hooks that were called until now.
landmark::PolicyReport Machine::counted() const {
    auto report = report_;
    for (std::size_t hook = 0; hook < hooks_called_.size(); ++hook) {
        const auto calls = hooks_called_[hook];
        const auto took = hook_times_[hook].count();
        report.hook_calls += calls;
        report.hook_ns += static_cast<std::int64_t>(calls) * took;
        report.hook_max_ns = std::max(report.hook_max_ns, calls != 0 ? took : 0);
    }
    return report;
}

std::uint64_t SchedulerWorld::region(std::uint32_t set, std::uint32_t number) const {
    return machine->policy_memory_.start() + (set * regions_of_set + number) * host::region_bytes;
}

void SchedulerWorld::note(std::uint64_t code, std::uint64_t value) const {
    machine->trace(machine->where(), Event::policy_note, nullptr, code, value);
}

void SchedulerWorld::kick(PcpuId pcpu) const {
    if (pcpu.value() < machine->cores_.size()) {
        machine->cores_[pcpu.value()].sched.until = RealTime{};
        machine->poke(pcpu);
    } else if (machine->guarded_) { // nothing may be thrown through the plug-in's frames
        machine->guard_.complain(plugin::Fault::wrong_answer);
    } else {
        machine->complaint_ = plugin::Fault::wrong_answer;
    }
}

void SchedulerWorld::changes(const Policy* from, const Policy& to) const {
    if (from != nullptr && from->retire)
        from->retire();
    const TextRange text = text_of_object(to.descriptor);
    machine->guarded_ = !text.empty();
    machine->guard_.watch(text);
}

void SchedulerWorld::takes_over(const Policy& policy) const {
    machine->trace(machine->where(), Event::policy_load, nullptr,
                   static_cast<std::uint64_t>(policy.descriptor->kind), plugin::abi_version);
}

// A strict machine throws.
void SchedulerWorld::ejected(sched::Hook hook, plugin::Fault fault, RealTime at, const char* why) const {
    if (!machine->options_.eject)
        throw Misconduct{std::string{enum_name(hook)} + ": " + why + " at " +
                         std::to_string(at.since_start().count()) + " ns"};
    machine->trace(machine->where(), Event::policy_eject, nullptr,
                   std::uint64_t{report().kind} << 32 | static_cast<std::uint32_t>(hook),
                   static_cast<std::uint64_t>(fault));
}

void Machine::swap(Policy policy, const Costs& costs) {
    Domain* payer = active_ != nullptr && active_->current != nullptr ? active_->current->domain : nullptr;
    for (Core& core : cores_) // all stand still
        if (core.current != nullptr)
            take_off(*core.current, core.reason);
    if (active_ != nullptr)
        bill(*active_, payer, options_.costs.swap);
    set_costs(costs);
    if (!host_.replace(policy, policy.values.data()))
        throw std::bad_alloc{};
    if (active_ != nullptr)
        bill(*active_, payer, options_.costs.takeover);
    for (const Core& core : cores_)
        poke(core.id);
}

Domain& Machine::create_domain(DomainSpec spec, DomainId id) {
    const Guard::Scope loops_end;
    Domain& domain = domains_.emplace_back();
    domain.id = id;
    domain.timer_lines = std::make_unique<host::TimerLine[]>(cores_.size());
    domain.sched.slot = static_cast<std::uint32_t>(domains_.size() - 1);
    domain.sched.weight = spec.weight;
    domain.sched.cap = spec.cap;
    domain.sched.share = spec.share;
    domain.sched.has_values = !spec.sched_values.empty();
    std::ranges::copy(spec.sched_values, domain.sched.values);
    domain.ledger.domain = id.value();
    domain.ledger.state = landmark::Account::alive;
    domain.ledger.weight = spec.weight;
    domain.ledger.shutdown_reason = static_cast<std::uint32_t>(landmark::Shutdown::none);
    landmark::copy_text(domain.ledger.name, spec.name.c_str());
    for (ProgramMaker& maker : spec.programs) {
        Vcpu& vcpu = vcpus_.emplace_back();
        vcpu.timer.order = static_cast<std::uint32_t>(vcpus_.size() - 1);
        vcpu.domain = &domain;
        vcpu.id = VcpuId{static_cast<std::uint16_t>(domain.vcpus.size())};
        vcpu.sched.slot = static_cast<std::uint32_t>(vcpus_.size() - 1);
        if (const auto i = domain.vcpus.size(); i < spec.placements.affinity.size())
            vcpu.sched.affinity = spec.placements.affinity[i];
        if (const auto i = domain.vcpus.size(); i < spec.placements.preferred.size())
            vcpu.sched.preferred = spec.placements.preferred[i];
        vcpu.since = now_;
        vcpu.pauses = spec.one_by_one && !domain.vcpus.empty() ? 1 : 0;
        vcpu.glue_ = Nanos{options_.costs.glue};
        vcpu.check_ = Nanos{options_.costs.wait_check};
        domain.vcpus.push_back(&vcpu);
        by_slot_.push_back(&vcpu);
        if (!host_.attach(vcpu))
            throw std::bad_alloc{};
        if (maker)
            vcpu.program = maker(vcpu);
    }
    trace(where(), Event::domain_create, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0,
          spec.weight);
    return domain;
}

void Machine::end_run(landmark::Exit status) {
    if (ended_)
        return;
    ended_ = true;
    exit_ = status;
    trace(where(), Event::run_end, nullptr, static_cast<std::uint64_t>(status), 0);
}

Machine::Summary Machine::summary() const {
    Summary all{};
    auto& page = all.page;
    page.magic = landmark::magic;
    page.version = landmark::version;
    page.state = ended_ ? landmark::State::finished : landmark::State::running;
    page.exit_status = exit_;
    page.pcpus = options_.pcpus;
    page.clock_hz = 1'000'000'000;
    page.now = now_.since_start().count();
    page.seed = options_.seed;
    page.r_max = longest_;
    page.policies[0] = counted();
    std::map<const Domain*, landmark::LedgerEntry*> entries;
    for (const Domain& domain : domains_)
        all.ledger.push_back(domain.ledger);
    for (std::size_t i = 0; i < domains_.size(); ++i) {
        all.ledger[i].refreshed = page.now;
        entries[&domains_[i]] = &all.ledger[i];
    }
    for (const Core& core : cores_) {
        auto& ledger = page.pcpu_ledgers[core.id.value()] = core.ledger;
        const auto open = std::max((now_ - core.posted).count(), std::int64_t{0});
        if (core.current != nullptr) {
            ledger.guest_ns += open;
            entries[core.current->domain]->guest_ns += open;
        } else {
            ledger.idle_ns += core.halted ? open : 0;
        }
        ledger.end = std::max(core.posted, core.halted || core.current != nullptr ? now_ : core.posted)
                         .since_start()
                         .count();
    }
    for (const Vcpu& vcpu : vcpus_) {
        const auto open = std::max((now_ - vcpu.since).count(), std::int64_t{0});
        if (vcpu.sched.state == RunState::queued)
            entries[vcpu.domain]->waiting_ns += open;
        else if (vcpu.sched.state == RunState::blocked)
            entries[vcpu.domain]->blocked_ns += open;
    }
    return all;
}

} // namespace bulkhead::sim
