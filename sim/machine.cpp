#include "hv/plugin/fallback.hpp"
#include "sim/accounts.hpp"

#include <cstring>
#include <map>

namespace bulkhead::sim {

using trace::Event;

namespace {

constexpr Nanos starvation_bound = milliseconds(10'000); // the hypervisor's
constexpr Nanos starvation_check = milliseconds(1'000);

} // namespace

Machine::Machine(Policy policy, const Options& options)
    : options_{options}, recorder_{options.pcpus, options.trace_groups, options.trace_records},
      random_{options.seed}, cores_(options.pcpus) {
    host_.context = this;
    host_.pcpus = options_.pcpus;
    host_.now = [](void* self) { return static_cast<Machine*>(self)->for_policy(); };
    host_.random = [](void* self) { return splitmix(static_cast<Machine*>(self)->random_); };
    host_.allocate = [](void* self, std::size_t bytes, std::size_t alignment) {
        return static_cast<Machine*>(self)->incumbent_->allocate(bytes, alignment);
    };
    host_.note = [](void* self, std::uint64_t code, std::uint64_t value) {
        auto& machine = *static_cast<Machine*>(self);
        machine.trace(machine.where(), Event::policy_note, nullptr, code, value);
    };
    host_.kick = [](void* self, PcpuId pcpu) {
        auto& machine = *static_cast<Machine*>(self);
        if (pcpu.value() < machine.cores_.size())
            machine.poke(pcpu.value());
        else // nothing may be thrown through the plug-in's frames
            machine.complaint_ = "kicked a pCPU that does not exist";
    };
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        cores_[i].id = static_cast<std::uint16_t>(i);
        halted_ |= std::uint64_t{1} << i;
        cores_[i].poked = cores_[i].next = RealTime{};
        cores_[i].need_dispatch = true;
    }
    trace(cores_[0], Event::run_start, nullptr, trace::schema_version, 1'000'000'000);
    const auto& descriptor = *policy.descriptor;
    first_ = &descriptor;
    describe(policy);
    install(std::move(policy));
    trace(cores_[0], Event::policy_load, nullptr, static_cast<std::uint64_t>(descriptor.kind),
          plugin::abi_version);
    housekeeping_.order = housekeeping_order;
    if (options_.housekeeping)
        cores_[0].timers.arm(housekeeping_, RealTime{} + milliseconds(10));
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
        cores_[0].timers.arm(housekeeping_, start + milliseconds(10));
}

void Machine::describe(const Policy& policy) { sim::describe(report_, policy); }

void Machine::install(Policy policy) {
    if (incumbent_ && incumbent_->policy().retire)
        incumbent_->policy().retire();
    former_ = std::move(incumbent_); // a hook of it may still be on the stack
    incumbent_ = std::make_unique<Incumbent>(std::move(policy), host_);
    incumbent_->start();
    hooks_ = &incumbent_->hooks();
    policy_ = incumbent_->object();
    by_number_.clear();
}

void Machine::enter(Vcpu& vcpu) {
    Domain& domain = *vcpu.domain;
    if (domain.policy == nullptr) {
        const bool given = incumbent_->policy().descriptor == first_;
        domain.policy =
            incumbent_->enter_domain(domain.id, domain.weight, domain.cap,
                                     given ? std::span{domain.sched_values} : std::span<std::int64_t>{});
    }
    vcpu.policy = incumbent_->enter_vcpu(*domain.policy, vcpu.id, vcpu.affinity, PcpuId{vcpu.pcpu});
    by_number_.push_back(&vcpu);
    call().attach(policy_, *vcpu.policy);
}

// Hands every vCPU to the policy now in charge: first all of them, then those that wait.
void Machine::enter_everybody() {
    for (Domain& domain : domains_)
        domain.policy = nullptr;
    for (Vcpu& vcpu : vcpus_)
        if (vcpu.state != RunState::gone)
            enter(vcpu);
    for (const Vcpu& vcpu : vcpus_)
        if (vcpu.state == RunState::queued)
            call().wake(policy_, *vcpu.policy, for_policy());
}

bool Machine::is_fallback() const { return incumbent_->policy().descriptor == &hv::fallback_scheduler(); }

// The fallback takes over, as in the hypervisor; a strict machine throws instead.
void Machine::eject(Hook hook, plugin::Fault fault, const std::string& what) {
    const std::string where = what + " at " + std::to_string(now_.since_start().count()) + " ns";
    if (is_fallback())
        throw std::logic_error{"the built-in fallback scheduler failed: " + where};
    if (!options_.eject)
        throw Misconduct{where};
    report_.ejected = static_cast<std::uint32_t>(fault);
    report_.hook = static_cast<std::uint32_t>(hook);
    report_.ejected_at = now_.since_start().count();
    trace(this->where(), Event::policy_eject, nullptr, std::uint64_t{report_.kind} << 32 | report_.hook,
          report_.ejected);
    install({&hv::fallback_scheduler(), nullptr, {}});
    enter_everybody();
    for (const Core& core : cores_)
        poke(core.id);
}

void Machine::swap(Policy policy, const Costs& costs) {
    for (Core& core : cores_) // all stand still
        if (core.current != nullptr)
            take_off(*core.current, core.reason);
    options_.costs = costs;
    if (report_.ejected == 0) // a misconduct is not forgotten
        describe(policy);
    const auto kind = static_cast<std::uint64_t>(policy.descriptor->kind);
    install(std::move(policy));
    trace(where(), Event::policy_load, nullptr, kind, plugin::abi_version);
    enter_everybody();
    for (const Core& core : cores_)
        poke(core.id);
}

Domain& Machine::create_domain(DomainSpec spec, DomainId id) {
    Domain& domain = domains_.emplace_back();
    domain.id = id;
    domain.weight = spec.weight;
    domain.cap = spec.cap;
    domain.affinity = spec.affinity;
    domain.sched_values = std::move(spec.sched_values);
    domain.ledger.domain = id.value();
    domain.ledger.state = landmark::Account::alive;
    domain.ledger.weight = spec.weight;
    domain.ledger.shutdown_reason = static_cast<std::uint32_t>(landmark::Shutdown::none);
    copy_text(domain.ledger.name, spec.name.c_str());
    for (ProgramMaker& maker : spec.programs) {
        Vcpu& vcpu = vcpus_.emplace_back();
        vcpu.timer.order = static_cast<std::uint32_t>(vcpus_.size() - 1);
        vcpu.domain = &domain;
        vcpu.id = VcpuId{static_cast<std::uint16_t>(domain.vcpus.size())};
        vcpu.affinity = domain.affinity;
        vcpu.since = now_;
        vcpu.pauses = spec.one_by_one && !domain.vcpus.empty() ? 1 : 0;
        vcpu.glue_ = Nanos{options_.costs.glue};
        vcpu.check_ = Nanos{options_.costs.wait_check};
        domain.vcpus.push_back(&vcpu);
        enter(vcpu);
        if (maker)
            vcpu.program = maker(vcpu);
    }
    trace(where(), Event::domain_create, domain.vcpus.empty() ? nullptr : domain.vcpus.front(), 0,
          spec.weight);
    return domain;
}

void Machine::keep_house() {
    if (!is_fallback() && now_.since_start().count() % starvation_check.count() < milliseconds(10).count())
        for (const Vcpu& vcpu : vcpus_)
            if (vcpu.state == RunState::queued && now_ - vcpu.since > starvation_bound)
                return eject(Hook::pick, plugin::Fault::starvation, "a vCPU was starved");
    if (now_ >= end_)
        end_run(landmark::Exit::time_over);
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
    page.policies[0] = report_;
    std::map<const Domain*, landmark::LedgerEntry*> entries;
    for (const Domain& domain : domains_)
        all.ledger.push_back(domain.ledger);
    for (std::size_t i = 0; i < domains_.size(); ++i) {
        all.ledger[i].refreshed = page.now;
        entries[&domains_[i]] = &all.ledger[i];
    }
    for (const Core& core : cores_) {
        auto& ledger = page.pcpu_ledgers[core.id] = core.ledger;
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
        if (vcpu.state == RunState::queued)
            entries[vcpu.domain]->waiting_ns += open;
        else if (vcpu.state == RunState::blocked)
            entries[vcpu.domain]->blocked_ns += open;
    }
    return all;
}

} // namespace bulkhead::sim
