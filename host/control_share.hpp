// The control plane's share of one pCPU under a policy that ignores weights: a bucket of pCPU time that fills
// at the share's pace. In any window it gives at most share times the window, and one bucket.
#pragma once

#include "sched/contract.hpp"

#include <algorithm>

namespace bulkhead::host {

class ControlShare {
  public:
    void set(std::uint32_t per_cent, RealTime now) {
        per_cent_ = per_cent;
        level_ = most();
        since_ = now;
    }
    [[nodiscard]] Nanos left(RealTime now) const {
        return std::min(most(), level_ + (now - since_) * per_cent_ / 100);
    }
    // Enough for a turn: less would be a switch for little.
    [[nodiscard]] bool suffices(RealTime now) const { return left(now) >= least(); }
    // When there is enough, if nothing is spent until then.
    [[nodiscard]] RealTime suffices_at(RealTime now) const {
        const Nanos missing = std::max(least() - left(now), Nanos{});
        return now + (missing * 100 + Nanos{per_cent_ - 1}) / per_cent_;
    }
    void spend(Nanos amount, RealTime now) {
        level_ = left(now) - amount;
        since_ = now;
    }

  private:
    [[nodiscard]] Nanos most() const {
        return std::max(milliseconds(10) * per_cent_ / 100, sched::least_slice);
    }
    [[nodiscard]] Nanos least() const { return std::max(most() / 4, sched::least_slice); }

    std::uint32_t per_cent_ = 100;
    Nanos level_;
    RealTime since_{};
};

} // namespace bulkhead::host
