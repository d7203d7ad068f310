// The order in which a guest uses the pages of its set, on either back end.
#pragma once

#include "workloads/random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace bulkhead::workload {

class AccessPattern {
  public:
    static constexpr std::uint64_t random = 0, in_turn = 1, skewed = 2;

    // Another `pattern` is random.
    AccessPattern(std::uint64_t pattern, std::size_t pages) : pattern_{pattern}, pages_{pages} {}

    // The page that is used next.
    std::size_t next() {
        if (pattern_ == in_turn)
            return next_ = next_ + 1 < pages_ ? next_ + 1 : 0;
        // Half of all uses are of a sixteenth of the pages.
        if (pattern_ == skewed && chance_.below(2) == 0)
            return chance_.below(std::max<std::size_t>(pages_ / 16, 1));
        return chance_.below(pages_);
    }

  private:
    std::uint64_t pattern_;
    std::size_t pages_;
    std::size_t next_ = 0;
    Random chance_{1};
};

} // namespace bulkhead::workload
