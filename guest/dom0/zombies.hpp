// Dead guests whose frames other guests still map. A borrower may keep them for as long as it likes, so
// nothing waits for them: their successors are built beside them, as long as there are not too many.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <cstddef>

namespace bulkhead::dom0 {

// How long after an attempt to destroy a domain the next one is made.
inline constexpr Nanos destroy_again = milliseconds(10);

class Zombies {
  public:
    static constexpr std::size_t most = 16;

    [[nodiscard]] bool has_room() const { return count_ < most; }
    // Takes charge of a domain whose destruction answered busy. There must be room.
    void add(DomainId dead);
    // Makes another attempt at each that is still there.
    void destroy();
    // When the next attempt is due; never without a zombie.
    [[nodiscard]] GuestTime due() const { return due_; }

  private:
    std::array<DomainId, most> dead_{};
    std::size_t count_ = 0;
    GuestTime due_ = GuestTime::never();
};

} // namespace bulkhead::dom0
