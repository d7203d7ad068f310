#include "sim/incumbent.hpp"

#include <memory>

namespace bulkhead::sim {

namespace {
constexpr std::size_t arena_bytes = 64 << 20; // the hypervisor's is bounded as well
constexpr std::byte rubbish{0xdd};
} // namespace

std::vector<std::int64_t> Policy::defaults(const plugin::Descriptor& descriptor) {
    std::vector<std::int64_t> values;
    for (const plugin::Parameter& row : std::span{descriptor.parameters, descriptor.parameter_count})
        values.push_back(row.initial);
    return values;
}

Incumbent::Incumbent(Policy policy, const plugin::Host& host)
    : policy_{std::move(policy)}, host_{&host},
      hooks_{static_cast<const sched::Hooks*>(policy_.descriptor->hooks)},
      pcpus_{std::make_unique<std::byte[]>(std::size_t{policy_.descriptor->pcpu_bytes} * host.pcpus)},
      arena_left_{arena_bytes}, domains_{policy_.descriptor->domain_bytes},
      vcpus_{policy_.descriptor->vcpu_bytes} {}

Incumbent::~Incumbent() = default;

void Incumbent::start() {
    for (std::uint32_t i = 0; i < host_->pcpus; ++i) {
        hooks_->create_pcpu(&pcpu(i));
        pcpu(i).id = PcpuId{static_cast<std::uint16_t>(i)};
    }
    object_ = allocate(policy_.descriptor->policy_bytes, Slab::line);
    hooks_->create(object_, *host_, &pcpu(0), policy_.values.data());
}

void* Incumbent::allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t whole = bytes + alignment;
    if (whole > arena_left_)
        return nullptr;
    arena_left_ -= whole;
    std::size_t space = whole;
    void* memory = arena_.emplace_back(std::make_unique<std::byte[]>(whole)).get();
    return std::align(alignment, bytes, memory, space);
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
