// A model of one direction of a network link: packets leave one after another at the link's rate, and arrive
// after its delay. Freestanding, deterministic, the same source in every world.
#pragma once

#include "abi/types.hpp"

#include <algorithm>
#include <cstdint>

namespace bulkhead::device {

struct Link {
    std::int64_t bytes_per_us = 125; // 1 Gbit/s
    Nanos delay = microseconds(50);  // from the last bit's departure to its arrival

    [[nodiscard]] constexpr Nanos transmission(std::uint32_t bytes) const {
        return std::max(Nanos{std::int64_t{bytes} * 1'000 / bytes_per_us}, Nanos{1});
    }
};

// Such a link at work. Packets arrive in the order in which they were sent.
class LinkLine {
  public:
    // When a packet arrives that is put in at `now`, behind those that are still leaving.
    [[nodiscard]] RealTime send(const Link& link, std::uint32_t bytes, RealTime now) {
        free_at_ = std::max(free_at_, now) + link.transmission(bytes);
        return free_at_ + link.delay;
    }

  private:
    RealTime free_at_{};
};

} // namespace bulkhead::device
