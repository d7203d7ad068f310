// The starvation monitor of the scheduler's host: the vCPUs that wait, and how long a policy may leave them
// waiting. The monitor counts the host's own states, so a policy that forgets a vCPU cannot hide it.
// docs/decisions/0011-starvation.md derives the bounds.
#pragma once

#include "sched/contract.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace bulkhead::host {

// While a vCPU could run, a policy that promises never to idle may leave a pCPU idle for so long.
inline constexpr Nanos longest_hesitation = milliseconds(1);

class StarvationMonitor {
  public:
    // Another policy takes over, with the same vCPUs; none of them runs.
    void takes_over(bool may_idle, RealTime now) {
        may_idle_ = may_idle;
        since_ = now;
        longest_slice_ = Nanos{};
        most_weights_ = weights_;
    }
    void attached() { ++vcpus_; }
    void detached() { --vcpus_; }
    void woke() { able_.store(able() + 1, std::memory_order_relaxed); }
    void slept() { able_.store(able() - 1, std::memory_order_relaxed); }
    // The weights of all domains that have vCPUs become larger by so much.
    void weighs(std::int64_t more) {
        weights_ += more;
        most_weights_ = std::max(most_weights_, weights_);
    }
    void runs(Nanos slice) {
        if (slice > longest_slice_) [[unlikely]]
            longest_slice_ = slice;
    }

    // How many vCPUs are queued or running. Changed under the host's lock; without it the answer may be a
    // little old.
    [[nodiscard]] std::uint32_t able() const { return able_.load(std::memory_order_relaxed); }
    // `working` pCPUs do not idle: an idle answer beside them needs a look at the vCPUs that wait.
    [[nodiscard]] bool idling_is_suspect(std::uint32_t working) const {
        return able() > working && !may_idle_;
    }
    // How long the active policy has left a vCPU waiting that is runnable since then.
    [[nodiscard]] Nanos waited(RealTime runnable_since, RealTime now) const {
        return now - std::max(runnable_since, since_);
    }
    // A domain of this weight that waits for longer is starved: patience, or a least slice over the domain's
    // share of one pCPU if that is longer, and a turn of every vCPU, as long as the longest slice so far.
    [[nodiscard]] Nanos bound(std::uint32_t weight) const {
        const Nanos patience = may_idle_ ? milliseconds(10'000) : milliseconds(2'000);
        const Nanos at_share = sched::least_slice * most_weights_ / std::max(weight, std::uint32_t{1});
        return std::max(patience, at_share) + longest_slice_ * vcpus_;
    }

  private:
    std::uint32_t vcpus_ = 0;
    std::atomic<std::uint32_t> able_ = 0;
    std::int64_t weights_ = 0;
    std::int64_t most_weights_ = 0; // since the active policy is in charge: a wait may have begun then
    Nanos longest_slice_;           // of those that the active policy has given
    RealTime since_{};              // the active policy is in charge
    bool may_idle_ = false;
};

} // namespace bulkhead::host
