// A policy in charge and everything it keeps: its object, its part of each pCPU, domain and vCPU, its arena.
// It hands calls over to the plug-in and never judges an answer; the machine does.
#pragma once

#include "sched/contract.hpp"
#include "sim/policy.hpp"
#include "sim/slab.hpp"

#include <memory>
#include <span>

namespace bulkhead::sim {

class Incumbent {
  public:
    // `host` must outlive this object; its `allocate` should end in allocate() below.
    Incumbent(Policy policy, const plugin::Host& host);
    ~Incumbent();
    Incumbent(const Incumbent&) = delete;
    Incumbent& operator=(const Incumbent&) = delete;

    // Constructs the policy, once `host` may be called. nullptr from here on means: it is not built yet.
    void start();
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) {
        return arena_.allocate(bytes, alignment);
    }

    // `values` are the domain's own parameters; the policy's defaults if there are none.
    sched::Domain* enter_domain(DomainId id, std::uint32_t weight, std::uint32_t cap,
                                std::span<const std::int64_t> values);
    // Its number is that of the call: the first vCPU entered has 0.
    sched::Vcpu* enter_vcpu(sched::Domain& domain, VcpuId id, std::uint64_t affinity, PcpuId place);
    // After detach: whoever still uses the object will see rubbish.
    void forget(sched::Vcpu& vcpu) const;

    [[nodiscard]] std::optional<std::size_t> number_of(const sched::Vcpu* vcpu) const {
        return vcpus_.index_of(vcpu);
    }
    [[nodiscard]] sched::Pcpu& pcpu(std::size_t index) const {
        return *reinterpret_cast<sched::Pcpu*>(pcpus_.get() + index * policy_.descriptor->pcpu_bytes);
    }
    [[nodiscard]] const sched::Hooks& hooks() const { return *hooks_; }
    [[nodiscard]] void* object() const { return object_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }

  private:
    Policy policy_;
    const plugin::Host* host_;
    const sched::Hooks* hooks_;
    std::unique_ptr<std::byte[]> pcpus_;
    Arena arena_;
    void* object_ = nullptr;
    Slab domains_, vcpus_;
};

} // namespace bulkhead::sim
