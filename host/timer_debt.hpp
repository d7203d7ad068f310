// The rule of timer debt, the same in every world and under every policy. Serving a timer of a vCPU that does
// not run is work in interrupt time, about which no policy decides. That work is a debt of the vCPU's domain,
// which a part of the domain's share pays off as time goes by. A domain in debt is never refused a timer: its
// timers are served later.
#pragma once

#include "abi/types.hpp"

#include <algorithm>
#include <cstdint>

namespace bulkhead::host {

// Timers are served in passes of this length; the interrupt that comes at once serves the rest.
inline constexpr Nanos longest_timer_pass = microseconds(30);

// A domain's part of a pCPU: its weight among the weights of all domains, and at most its cap.
struct Share {
    std::uint32_t weight = 1;
    std::uint32_t cap = 0;     // per cent of one pCPU, 0 for none
    std::uint64_t weights = 1; // of all domains, this one included
};

// Of one domain on one pCPU.
class TimerDebt {
  public:
    // Half of the share: the vCPUs that the timers wake run in the other half.
    static constexpr std::int64_t part = 2;
    // The part of a pCPU that the smallest share may spend.
    static constexpr std::int64_t least_part = 4096;
    // A domain that owes nothing may spend at once what pays for so much time.
    static constexpr Nanos patience = milliseconds(10);

    // `work` was done in interrupt time while the pCPU had something else to run.
    void add(Nanos work, const Share& share, RealTime now) {
        const auto count = work.count();
        auto lasts = std::min(count * part * static_cast<std::int64_t>(share.weights) /
                                  static_cast<std::int64_t>(std::max(share.weight, 1u)),
                              count * least_part);
        if (share.cap != 0)
            lasts = std::max(lasts, count * part * 100 / static_cast<std::int64_t>(share.cap));
        paid_ = std::max(paid_, now) + Nanos{lasts};
    }
    // No timer of the domain is served before.
    [[nodiscard]] RealTime next_service() const { return paid_ + -patience; }

  private:
    RealTime paid_{}; // when the debt will be paid off
};

} // namespace bulkhead::host
