// What xenstore's work costs, counted in steps of about equal length: a block of bytes touched, a node or a
// watch visited. Budgets and tests go by it, so it depends on the requests alone and never on a clock.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bulkhead::xenstore {

class Meter {
  public:
    void add(std::size_t steps) { steps_ += steps; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

  private:
    std::uint64_t steps_ = 0;
};

} // namespace bulkhead::xenstore
