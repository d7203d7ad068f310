#include "sim/incumbent.hpp"

namespace bulkhead::sim {

namespace {
constexpr std::byte rubbish{0xdd};
} // namespace

Incumbent::Incumbent(Policy policy, const plugin::Host& host)
    : policy_{std::move(policy)}, host_{&host},
      hooks_{static_cast<const sched::Hooks*>(policy_.descriptor->hooks)},
      pcpus_{std::make_unique<std::byte[]>(std::size_t{policy_.descriptor->pcpu_bytes} * host.pcpus)},
      domains_{policy_.descriptor->domain_bytes}, vcpus_{policy_.descriptor->vcpu_bytes} {}

Incumbent::~Incumbent() = default;

void Incumbent::start() {
    for (std::uint32_t i = 0; i < host_->pcpus; ++i) {
        hooks_->create_pcpu(&pcpu(i));
        pcpu(i).id = PcpuId{static_cast<std::uint16_t>(i)};
    }
    object_ = allocate(policy_.descriptor->policy_bytes, Slab::line);
    hooks_->create(object_, *host_, &pcpu(0), policy_.values.data());
}

sched::Domain* Incumbent::enter_domain(DomainId id, std::uint32_t weight, std::uint32_t cap,
                                       std::span<const std::int64_t> values) {
    auto* domain = reinterpret_cast<sched::Domain*>(domains_.create());
    hooks_->create_domain(domain);
    domain->id = id;
    domain->weight = weight;
    domain->cap = cap;
    for (std::size_t i = 0; i < policy_.descriptor->domain_parameter_count; ++i)
        domain->values[i] = i < values.size() ? values[i] : policy_.descriptor->domain_parameters[i].initial;
    return domain;
}

sched::Vcpu* Incumbent::enter_vcpu(sched::Domain& domain, VcpuId id, std::uint64_t affinity, PcpuId place) {
    auto* vcpu = reinterpret_cast<sched::Vcpu*>(vcpus_.create());
    hooks_->create_vcpu(vcpu);
    vcpu->domain = &domain;
    vcpu->id = id;
    vcpu->affinity = affinity;
    vcpu->last_pcpu = place;
    ++domain.vcpus;
    return vcpu;
}

void Incumbent::forget(sched::Vcpu& vcpu) const {
    std::memset(static_cast<void*>(&vcpu), std::to_integer<int>(rubbish), policy_.descriptor->vcpu_bytes);
}

} // namespace bulkhead::sim
