// The groups of stations that one station listens to: a bounded set of Ethernet addresses. Freestanding.
#pragma once

#include "device/switch.hpp"

namespace bulkhead::device {

class Groups {
  public:
    static constexpr std::uint32_t most = 64;

    // False if it is not a group's address, or there are too many. A group that is there already is fine.
    [[nodiscard]] bool add(Mac group) {
        if (!group.is_group())
            return false;
        if (has(group))
            return true;
        if (count_ == most)
            return false;
        addresses_[count_++] = group.bits;
        return true;
    }
    void remove(Mac group) {
        auto* const place = std::find(addresses_, addresses_ + count_, group.bits);
        if (place != addresses_ + count_)
            *place = addresses_[--count_];
    }
    [[nodiscard]] bool has(Mac group) const {
        return std::find(addresses_, addresses_ + count_, group.bits) != addresses_ + count_;
    }

  private:
    std::uint32_t count_ = 0;
    std::uint64_t addresses_[most]; // not cleared
};

} // namespace bulkhead::device
