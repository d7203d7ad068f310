#include "tests/policy/cost_machine.hpp"

#include "abi/enum_name.hpp"

#include <algorithm>

namespace {
std::uint64_t steps = 0;
}

// Called by the policies at the start of each basic block.
extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() { ++steps; }

namespace bulkhead::policy_test {

CostMachine::CostMachine(const plugin::Descriptor& policy, std::uint32_t pcpus)
    : policy_{policy}, hooks_{*static_cast<const sched::Hooks*>(policy.hooks)}, cores_(pcpus) {
    host_.context = this;
    host_.pcpus = pcpus;
    host_.now = [](void* self) { return static_cast<CostMachine*>(self)->now_; };
    host_.random = [](void* self) { return std::uint64_t{static_cast<CostMachine*>(self)->random_()}; };
    host_.note = [](void*, std::uint64_t, std::uint64_t) {};
    host_.kick = [](void* self, PcpuId pcpu) {
        static_cast<CostMachine*>(self)->cores_.at(pcpu.value()).kicked = true;
    };
    host_.allocate = [](void* self, std::size_t bytes, std::size_t) {
        return static_cast<CostMachine*>(self)->memory(bytes);
    };
    auto* const all = static_cast<std::byte*>(memory(policy.pcpu_bytes * pcpus));
    for (std::uint32_t i = 0; i < pcpus; ++i) {
        cores_[i].pcpu = reinterpret_cast<sched::Pcpu*>(all + std::size_t{i} * policy.pcpu_bytes);
        hooks_.create_pcpu(cores_[i].pcpu);
        cores_[i].pcpu->id = PcpuId{static_cast<std::uint16_t>(i)};
    }
    std::vector<std::int64_t> values;
    for (std::uint64_t i = 0; i < policy.parameter_count; ++i)
        values.push_back(policy.parameters[i].initial);
    object_ = memory(policy.policy_bytes);
    hooks_.create(object_, host_, cores_[0].pcpu, values.data());
    settle();
}

const char* CostMachine::hook_name(std::size_t hook) { return enum_name(static_cast<sched::Hook>(hook)); }

void* CostMachine::memory(std::size_t bytes) {
    return memory_.emplace_back((bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t)).data();
}

std::size_t CostMachine::draw(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>{0, count - 1}(random_);
}

template<class Call>
void CostMachine::counted(sched::Hook hook, Call call) {
    const auto before = steps;
    call();
    auto& worst = worst_[static_cast<std::size_t>(hook)];
    worst = std::max(worst, steps - before);
}

void CostMachine::add_domain(const CostGuest& guest) {
    auto* const domain = static_cast<sched::Domain*>(memory(policy_.domain_bytes));
    hooks_.create_domain(domain);
    domain->id = DomainId{static_cast<std::uint16_t>(domains_.size() + 1)};
    domain->weight = guest.weight;
    domain->cap = guest.cap;
    for (std::uint64_t i = 0; i < policy_.domain_parameter_count; ++i) {
        const auto& row = policy_.domain_parameters[i];
        const auto number = static_cast<std::int64_t>(domains_.size());
        domain->values[i] = guest.reserves && row.most > 1'000
                                ? std::clamp<std::int64_t>(200 + number % 7 * 100, row.least, row.most)
                                : row.initial;
    }
    domains_.push_back(domain);
    for (std::uint32_t i = 0; i < guest.vcpus; ++i) {
        auto* const vcpu = static_cast<sched::Vcpu*>(memory(policy_.vcpu_bytes));
        hooks_.create_vcpu(vcpu);
        vcpu->domain = domain;
        vcpu->id = VcpuId{domain->vcpus++};
        vcpu->affinity = guest.affinity;
        vcpu->last_pcpu = PcpuId{(guest.affinity & 1) != 0 ? std::uint16_t{0} : std::uint16_t{1}};
        vcpus_.push_back(vcpu);
        counted(sched::Hook::attach, [&] { hooks_.attach(object_, *vcpu); });
        wake(*vcpu);
    }
}

void CostMachine::remove_all() {
    for (sched::Vcpu* vcpu : vcpus_) {
        Core* const core = std::ranges::find(cores_, vcpu, &Core::running) == cores_.end()
                               ? nullptr
                               : &*std::ranges::find(cores_, vcpu, &Core::running);
        if (core != nullptr) {
            stop(*core, sched::Stop::gone, microseconds(10));
            pick(*core);
        } else {
            counted(sched::Hook::deschedule,
                    [&] { hooks_.deschedule(object_, *vcpu, sched::Stop::gone, Nanos{}, now_); });
        }
        counted(sched::Hook::detach, [&] { hooks_.detach(object_, *vcpu); });
        --vcpu->domain->vcpus;
    }
    vcpus_.clear();
}

void CostMachine::retune_all() {
    for (sched::Domain* domain : domains_) {
        if (draw(2) == 0)
            domain->cap = 0;
        else
            domain->weight = static_cast<std::uint32_t>(1 + draw(1'000));
        counted(sched::Hook::tune, [&] { hooks_.tune(object_, *domain); });
        settle();
    }
}

void CostMachine::wake(sched::Vcpu& vcpu) {
    counted(sched::Hook::wake, [&] { hooks_.wake(object_, vcpu, now_); });
    counted(sched::Hook::place, [&] { static_cast<void>(hooks_.place(object_, vcpu, now_)); });
    settle();
}

void CostMachine::stop(Core& core, sched::Stop why, Nanos ran) {
    sched::Vcpu& vcpu = *core.running;
    now_ += ran;
    core.running = nullptr;
    counted(sched::Hook::deschedule, [&] { hooks_.deschedule(object_, vcpu, why, ran, now_); });
    if (!sched::still_runnable(why) && why != sched::Stop::gone)
        sleepers_.push_back(&vcpu);
}

void CostMachine::pick(Core& core) {
    core.kicked = false;
    sched::Decision decision{};
    counted(sched::Hook::pick, [&] { decision = hooks_.pick(object_, *core.pcpu, now_); });
    core.running = decision.vcpu;
    core.slice = decision.slice;
    if (core.running != nullptr)
        core.running->last_pcpu = core.pcpu->id;
}

void CostMachine::settle() {
    for (Core& core : cores_) {
        if (core.kicked && core.running != nullptr)
            stop(core, sched::Stop::preempted, microseconds(1));
        if (core.running == nullptr)
            pick(core);
    }
}

void CostMachine::run(int slices) {
    for (int i = 0; i < slices; ++i) {
        Core& core = cores_[draw(cores_.size())];
        if (core.running == nullptr)
            now_ += milliseconds(1);
        else
            stop(core, sched::Stop::slice_end, core.slice);
        settle();
    }
}

void CostMachine::run_eventful(int events) {
    for (int i = 0; i < events; ++i) {
        Core& core = cores_[draw(cores_.size())];
        const auto what = draw(6);
        if (what >= 4 && !sleepers_.empty()) {
            const auto which = draw(sleepers_.size());
            sched::Vcpu* const sleeper = std::exchange(sleepers_[which], sleepers_.back());
            sleepers_.pop_back();
            wake(*sleeper);
        } else if (core.running == nullptr) {
            now_ += milliseconds(1);
        } else if (what == 3) {
            sched::Vcpu& any = *vcpus_[draw(vcpus_.size())];
            counted(sched::Hook::charge, [&] { hooks_.charge(object_, any, microseconds(3)); });
        } else {
            constexpr sched::Stop whys[] = {sched::Stop::blocked, sched::Stop::yielded,
                                            sched::Stop::slice_end};
            stop(core, whys[what % std::size(whys)], std::min(core.slice, microseconds(200)));
        }
        settle();
    }
}

} // namespace bulkhead::policy_test
