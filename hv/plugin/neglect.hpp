// Who waits, and for how long a policy may leave it at that. Kept from the core's own states, so a policy
// that forgets a vCPU cannot hide it. It must never look at a policy's objects.
// docs/decisions/0011-starvation.md says where the bounds come from.
#pragma once

#include "hv/domain/vcpu.hpp"
#include "sched/contract.hpp"

#include <atomic>

namespace bulkhead::hv {

// While a vCPU could run, a policy that promises never to idle may leave a pCPU idle for so long.
inline constexpr Nanos longest_hesitation = milliseconds(1);

class Neglect {
  public:
    // Another policy is in charge, of the same vCPUs.
    void takes_over(bool may_idle) {
        may_idle_ = may_idle;
        longest_slice_ = Nanos{};
    }
    void attached() { ++vcpus_; }
    void detached() { --vcpus_; }
    void woke() { able_.store(able() + 1, std::memory_order_relaxed); }
    void slept() { able_.store(able() - 1, std::memory_order_relaxed); }
    void got(Nanos slice) {
        if (slice > longest_slice_) [[unlikely]]
            longest_slice_ = slice;
    }

    // How many vCPUs are queued or running. Changed under the run lock; without it the answer may be a little
    // old.
    [[nodiscard]] std::uint32_t able() const { return able_.load(std::memory_order_relaxed); }
    // `running` vCPUs hold a pCPU: an idle answer needs a look only if others wait.
    [[nodiscard]] bool idling_is_suspect(std::uint32_t running) const {
        return able() > running && !may_idle_;
    }
    // Whoever waits longer is starved: patience, and a turn of everybody else as long as the longest one.
    [[nodiscard]] Nanos bound() const {
        return (may_idle_ ? milliseconds(10'000) : milliseconds(2'000)) + longest_slice_ * vcpus_;
    }

  private:
    std::uint32_t vcpus_ = 0;
    std::atomic<std::uint32_t> able_ = 0;
    Nanos longest_slice_; // of those that the policy has given
    bool may_idle_ = false;
};

// Could run on that pCPU, and nothing that its owner asked for holds it back.
[[nodiscard]] inline bool wants(const Vcpu& vcpu, PcpuId pcpu, std::uint32_t cap) {
    return vcpu.sched.state == RunState::queued && cap == 0 && (vcpu.sched.affinity >> pcpu.value() & 1) != 0;
}

} // namespace bulkhead::hv
