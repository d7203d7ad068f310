#include "hv/plugin/scheduler.hpp"

#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/vcpu_slots.hpp"
#include "hv/plugin/fallback.hpp"
#include "hv/plugin/host.hpp"
#include "hv/plugin/neglect.hpp"
#include "hv/plugin/object_region.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace bulkhead::hv::scheduler {

namespace {

using sched::Hook;

constexpr Nanos construction_budget = milliseconds(5);
// The fallback's: nobody could take its place, and where time is not counted in instructions a hook may be
// late because the computer was elsewhere.
constexpr Nanos without_limit = milliseconds(3'600'000);
constexpr std::uint64_t region_bytes = 1ULL << 30, set_bytes = 4 * region_bytes;

// A policy and everything it keeps. Two sets, so that a successor can be built while the old one still
// stands.
struct Incumbent {
    const plugin::Descriptor* descriptor = nullptr;
    const sched::Hooks* hooks = nullptr;
    TextRange text;
    bool built_in = false;
    Nanos budget{}; // of a hook
    void* object = nullptr;
    PolicyHost host;
    ObjectRegion vcpus, domains, pcpus;
};

constinit Incumbent sets[2];
constinit Incumbent* policy = nullptr;
constinit const plugin::Descriptor* first_policy = nullptr; // the one that domains were given values for
constinit Neglect neglect;

landmark::PolicyReport& report() { return landmark_page().policies[0]; }

void eject(Hook hook, plugin::Fault fault);

// Calls a hook; on misconduct the fallback is in charge when this returns a fault. `start` is now, or the
// instant that the core has just read for the hook.
template<class Return, class... Formal, class... Actual>
[[gnu::always_inline]] inline auto call(Hook hook, RealTime start, Return (*function)(Formal...),
                                        Actual&&... actual) {
    Incumbent& subject = *policy;
    const auto outcome = guarded(subject.text, subject.budget, start, function, actual...);
    auto& stats = report();
    const auto took = (outcome.end - start).count();
    ++stats.hook_calls;
    stats.hook_ns += took;
    if (took > stats.hook_max_ns) [[unlikely]]
        stats.hook_max_ns = took;
    if (outcome.fault != plugin::Fault::none && policy == &subject) [[unlikely]]
        eject(hook, outcome.fault);
    return outcome;
}

bool well(const auto& outcome) { return outcome.fault == plugin::Fault::none; }

void construct(Incumbent& set, const std::int64_t* values) {
    for (std::uint32_t i = 0; i < pcpu_count(); ++i) {
        const PcpuId id{static_cast<std::uint16_t>(i)};
        auto* cpu = pcpu(id).policy;
        set.hooks->create_pcpu(cpu);
        cpu->id = id;
    }
    set.hooks->create(set.object, set.host.table(), pcpu(PcpuId{0}).policy, values);
}

// Makes `set` the incumbent. What its own constructors did is the answer: the caller ejects it if they
// failed.
plugin::Fault build(Incumbent& set, const plugin::Descriptor& descriptor, TextRange text,
                    const std::int64_t* values) {
    const auto base = layout::plugins + 0x40000000 + static_cast<std::uint64_t>(&set - sets) * set_bytes;
    set.descriptor = &descriptor;
    set.hooks = static_cast<const sched::Hooks*>(descriptor.hooks);
    set.text = text;
    set.built_in = text.end == 0;
    set.budget = set.built_in ? without_limit : sched::hook_budget;
    set.vcpus.start(base, descriptor.vcpu_bytes, max_vcpu_slots, false);
    set.domains.start(base + region_bytes, descriptor.domain_bytes, max_domains, false);
    set.pcpus.start(base + 2 * region_bytes, descriptor.pcpu_bytes, landmark::max_pcpus, true);
    set.host.start(base + 3 * region_bytes);
    set.object = set.host.allocate(descriptor.policy_bytes, 64);
    policy = &set;
    neglect.takes_over((descriptor.traits & static_cast<std::uint32_t>(sched::Trait::idles)) != 0);
    for (std::uint32_t i = 0; i < pcpu_count(); ++i) {
        auto* cpu = static_cast<sched::Pcpu*>(set.pcpus.create(i));
        if (cpu == nullptr || set.object == nullptr)
            machine::panic("no memory for the scheduler: give the machine more (--mem)");
        pcpu(PcpuId{static_cast<std::uint16_t>(i)}).policy = cpu;
    }
    const auto budget = set.built_in ? without_limit : construction_budget;
    return guarded(set.text, budget, machine::now(), &construct, set, values).fault;
}

void describe(const plugin::Descriptor& descriptor, const std::int64_t* values) {
    auto& out = report();
    std::fill(std::begin(out.name), std::end(out.name), '\0'); // nothing stays of a longer name
    copy_text(out.name, descriptor.name);
    out.kind = static_cast<std::uint32_t>(descriptor.kind);
    out.parameter_count = descriptor.parameter_count;
    for (std::uint32_t i = 0; i < descriptor.parameter_count && i < plugin::max_parameters; ++i)
        out.parameters[i] = values[i];
}

// The policy that the run began with, or the same one again from another place in the manifest.
bool is_the_first(const plugin::Descriptor& descriptor) {
    return descriptor.domain_parameter_count == first_policy->domain_parameter_count &&
           std::string_view{descriptor.name} == first_policy->name;
}

// nullptr: the policy's constructor failed and the fallback is in charge, or memory is short.
sched::Domain* enter_domain(Domain& domain) {
    if (domain.sched.policy != nullptr)
        return domain.sched.policy;
    auto* memory = static_cast<sched::Domain*>(policy->domains.create(domain.id.value()));
    if (memory == nullptr || !well(call(Hook::attach, machine::now(), policy->hooks->create_domain, memory)))
        return nullptr;
    memory->id = domain.id;
    memory->weight = domain.sched.weight;
    memory->cap = domain.sched.cap;
    memory->vcpus = 0;
    const bool given = domain.sched.has_values && is_the_first(*policy->descriptor);
    for (std::uint64_t i = 0;
         i < policy->descriptor->domain_parameter_count && i < plugin::max_domain_parameters; ++i)
        memory->values[i] = given ? domain.sched.values[i] : policy->descriptor->domain_parameters[i].initial;
    return domain.sched.policy = memory;
}

bool enter_vcpu_once(Vcpu& vcpu) {
    auto* domain = enter_domain(*vcpu.domain);
    auto* memory =
        domain != nullptr ? static_cast<sched::Vcpu*>(policy->vcpus.create(vcpu.sched.slot)) : nullptr;
    if (memory == nullptr || !well(call(Hook::attach, machine::now(), policy->hooks->create_vcpu, memory)))
        return false;
    memory->domain = domain;
    memory->id = vcpu.id;
    memory->last_pcpu = vcpu.sched.pcpu;
    memory->affinity = vcpu.sched.affinity;
    vcpu.sched.policy = memory;
    ++domain->vcpus;
    return true;
}

// Once more if the policy was replaced meanwhile.
Result<> enter_vcpu(Vcpu& vcpu) {
    const Incumbent* before = policy;
    if (enter_vcpu_once(vcpu) || (policy != before && enter_vcpu_once(vcpu)))
        return {};
    return fail(Error::no_memory);
}

// Calls `act(Vcpu&)` for every attached vCPU, as long as it answers true.
template<class Act>
bool for_each_attached(Act act) {
    bool go_on = true;
    for_each_domain([&](Domain& domain) {
        for (std::uint32_t i = 0; i < domain.vcpu_count && go_on; ++i)
            if (Vcpu* vcpu = domain.vcpus[i]; vcpu != nullptr && vcpu->sched.policy != nullptr)
                go_on = act(*vcpu);
    });
    return go_on;
}

// Hands every attached vCPU to the policy now in charge, from the core's states: first all of them, then
// those that wait. A policy that fails meanwhile was ejected, and its successor has got everybody when this
// returns.
void enter_everybody() {
    const Incumbent* const subject = policy;
    for_each_domain([](Domain& domain) { domain.sched.policy = nullptr; });
    const bool entered = for_each_attached([&](Vcpu& vcpu) {
        const bool has_place = enter_vcpu_once(vcpu);
        if (!has_place && policy == subject)
            machine::panic("no memory to replace the scheduler");
        return has_place && well(call(Hook::attach, machine::now(), policy->hooks->attach, policy->object,
                                      *vcpu.sched.policy));
    });
    if (entered)
        static_cast<void>(for_each_attached([](Vcpu& vcpu) {
            const auto now = machine::now();
            return vcpu.sched.state != RunState::queued ||
                   well(call(Hook::wake, now, policy->hooks->wake, policy->object, *vcpu.sched.policy, now));
        }));
}

constexpr const char* fault_name(plugin::Fault fault) {
    switch (fault) {
    case plugin::Fault::wrong_answer:
        return "a wrong answer";
    case plugin::Fault::trapped:
        return "a processor exception";
    case plugin::Fault::over_budget:
        return "running over its time";
    case plugin::Fault::starvation:
        return "starving a vCPU";
    case plugin::Fault::no_memory:
        return "using up its memory";
    case plugin::Fault::none:
        break;
    }
    return "nothing";
}

void eject(Hook hook, plugin::Fault fault) {
    if (policy->built_in)
        machine::panic("the built-in fallback scheduler failed");
    auto& out = report();
    out.ejected = static_cast<std::uint32_t>(fault);
    out.hook = static_cast<std::uint32_t>(hook);
    out.ejected_at = machine::now().since_start().count();
    const auto kind = static_cast<std::uint64_t>(plugin::Kind::scheduler) << 32;
    trace_event(trace::Event::policy_eject, kind | out.hook, out.ejected);
    log("policy '%s' removed for %s in hook %u; the built-in fallback takes over\n", out.name,
        fault_name(fault), out.hook);
    if (build(policy == &sets[0] ? sets[1] : sets[0], fallback_scheduler(), {}, nullptr) !=
        plugin::Fault::none)
        machine::panic("the built-in fallback scheduler cannot start");
    enter_everybody();
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        request_dispatch(PcpuId{static_cast<std::uint16_t>(i)});
}

// The answer must be one of our objects, queued, allowed on this pCPU, and given a sane slice.
Vcpu* check(const sched::Decision& answer, PcpuId where) {
    const auto slot = policy->vcpus.index_of(answer.vcpu);
    Vcpu* vcpu = slot ? vcpu_in_slot(*slot) : nullptr;
    if (vcpu == nullptr || vcpu->sched.policy != answer.vcpu || vcpu->sched.state != RunState::queued)
        return nullptr;
    if ((vcpu->sched.affinity >> where.value() & 1) == 0)
        return nullptr;
    return answer.slice >= sched::least_slice && answer.slice <= sched::longest_slice ? vcpu : nullptr;
}

std::uint32_t running_vcpus() {
    std::uint32_t running = 0;
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        running += pcpu(PcpuId{static_cast<std::uint16_t>(i)}).current != nullptr ? 1 : 0;
    return running;
}

// How long the policy may leave this pCPU idle; nothing if a vCPU has waited for it long enough.
Nanos longest_idle(PcpuId where, RealTime now) {
    if (policy->built_in || !neglect.idling_is_suspect(running_vcpus())) [[likely]]
        return sched::Decision::until_kicked;
    auto waited = Nanos{-1};
    static_cast<void>(for_each_attached([&](const Vcpu& vcpu) {
        if (wants(vcpu, where, vcpu.domain->sched.cap))
            waited = std::max(waited, now - vcpu.sched.runnable_since);
        return true;
    }));
    if (waited < Nanos{})
        return sched::Decision::until_kicked;
    return waited < longest_hesitation ? longest_hesitation : Nanos{};
}

} // namespace

void start(const LoadedPlugin* plugin, const std::int64_t* values) {
    const auto& descriptor = plugin != nullptr ? *plugin->descriptor : fallback_scheduler();
    first_policy = &descriptor;
    const auto fault = build(sets[0], descriptor, plugin != nullptr ? plugin->text : TextRange{}, values);
    describe(descriptor, values);
    trace_event(trace::Event::policy_load, static_cast<std::uint64_t>(descriptor.kind),
                plugin != nullptr ? descriptor.abi_version : 0);
    if (fault != plugin::Fault::none)
        eject(Hook::create, fault);
}

void replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    const auto fault = build(policy == &sets[0] ? sets[1] : sets[0], *plugin.descriptor, plugin.text, values);
    if (report().ejected == 0) // a misconduct is not forgotten
        describe(*plugin.descriptor, values);
    trace_event(trace::Event::policy_load, static_cast<std::uint64_t>(plugin::Kind::scheduler),
                plugin.descriptor->abi_version);
    log("policy '%s' takes over\n", plugin.descriptor->name);
    if (fault != plugin::Fault::none)
        eject(Hook::create, fault);
    else
        enter_everybody();
}

Result<> attach(Vcpu& vcpu) {
    BULKHEAD_TRY(enter_vcpu(vcpu));
    neglect.attached();
    static_cast<void>(
        call(Hook::attach, machine::now(), policy->hooks->attach, policy->object, *vcpu.sched.policy));
    return {};
}

void detach(Vcpu& vcpu) {
    neglect.detached();
    static_cast<void>(
        call(Hook::detach, machine::now(), policy->hooks->detach, policy->object, *vcpu.sched.policy));
    --vcpu.domain->sched.policy->vcpus;
    vcpu.sched.policy = nullptr;
}

void wake(Vcpu& vcpu, RealTime now) {
    vcpu.sched.policy->last_pcpu = vcpu.sched.pcpu;
    neglect.woke();
    static_cast<void>(call(Hook::wake, now, policy->hooks->wake, policy->object, *vcpu.sched.policy, now));
}

RealTime deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
    if (!sched::still_runnable(why))
        neglect.slept();
    const auto called = call(Hook::deschedule, now, policy->hooks->deschedule, policy->object,
                             *vcpu.sched.policy, why, ran, now);
    return well(called) ? called.end : machine::now(); // its successor was put in place meanwhile
}

void withdraw(Vcpu& vcpu, sched::Stop why, RealTime now) {
    neglect.slept();
    static_cast<void>(call(Hook::deschedule, now, policy->hooks->deschedule, policy->object,
                           *vcpu.sched.policy, why, Nanos{}, now));
}

void charge(Vcpu& vcpu, Nanos amount) {
    if (vcpu.sched.policy != nullptr)
        static_cast<void>(call(Hook::charge, machine::now(), policy->hooks->charge, policy->object,
                               *vcpu.sched.policy, amount));
}

PcpuId place(Vcpu& vcpu, RealTime now) {
    const auto called = call(Hook::place, now, policy->hooks->place, policy->object, *vcpu.sched.policy, now);
    return well(called) ? called.answer : vcpu.sched.pcpu;
}

void tune(Domain& domain) {
    if (domain.sched.policy == nullptr)
        return;
    domain.sched.policy->weight = domain.sched.weight;
    domain.sched.policy->cap = domain.sched.cap;
    static_cast<void>(
        call(Hook::tune, machine::now(), policy->hooks->tune, policy->object, *domain.sched.policy));
}

Choice pick(Pcpu& self, RealTime now) {
    for (;; now = machine::now()) { // again if the fallback must answer
        const auto called = call(Hook::pick, now, policy->hooks->pick, policy->object, *self.policy, now);
        const sched::Decision& answer = called.answer;
        if (!well(called)) [[unlikely]]
            continue;
        auto fault = plugin::Fault::wrong_answer;
        if (answer.vcpu == nullptr) {
            const auto longest = longest_idle(self.id, called.end);
            if (answer.slice >= sched::least_slice && longest >= sched::least_slice)
                return {nullptr, std::min(answer.slice, longest), called.end};
            if (answer.slice >= sched::least_slice)
                fault = plugin::Fault::starvation;
        } else if (Vcpu* vcpu = check(answer, self.id)) {
            vcpu->sched.policy->last_pcpu = self.id;
            neglect.got(answer.slice);
            return {vcpu, answer.slice, called.end};
        }
        eject(Hook::pick, fault);
    }
}

const void* in_charge() { return policy; }

bool is_alone() { return neglect.able() <= 1; }

void check_starvation(const Domain& domain, RealTime now) {
    const LockGuard run{run_lock()};
    bool starved = false;
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
        if (const Vcpu* vcpu = domain.vcpus[i])
            starved |=
                vcpu->sched.state == RunState::queued && now - vcpu->sched.runnable_since > neglect.bound();
    if (starved && !policy->built_in)
        eject(Hook::pick, plugin::Fault::starvation);
}

} // namespace bulkhead::hv::scheduler
