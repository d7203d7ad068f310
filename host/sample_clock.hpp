// When other pages of a domain are drawn to be watched: by the domain's own running time, so that watching
// costs it a bounded part of that time, and a domain that does not run is not disturbed at all. The idea is
// from Waldspurger, OSDI 2002, section 5.3.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::host {

class SampleClock {
  public:
    // One draw at most in so much of the domain's running time.
    static constexpr Nanos least_run = milliseconds(1);

    // Whether a domain that has run for so long in all gets another draw. If so, the draw counts as made.
    [[nodiscard]] bool is_due(Nanos ran) {
        if (drawn_ && ran - drawn_at_ < least_run)
            return false;
        drawn_ = true;
        drawn_at_ = ran;
        return true;
    }

  private:
    Nanos drawn_at_{};
    bool drawn_ = false;
};

} // namespace bulkhead::host
