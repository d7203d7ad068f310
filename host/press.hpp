// What a host does to a guest that keeps frames which its memory policy wants back by force. No frame of a
// running guest can be taken without its help: its page tables and its caches of them are its own business.
// So the host withholds time instead. The guest is held in some of every four turns, one turn more after each
// four in which it gave nothing back, and three at most: its balloon needs time to obey.
#pragma once

#include "memctl/contract.hpp"

#include <algorithm>

namespace bulkhead::host {

inline constexpr Nanos press_turn = milliseconds(10);

class Press {
  public:
    // Whether the policy wants frames by force, as it says once in a period. If not, the guest is free at
    // once.
    void want(bool by_force) {
        wanted_ = by_force;
        if (wanted_)
            return;
        held_turns_ = turn_ = 0;
        holds_now_ = false;
    }
    // Another turn begins, and the guest has so many frames.
    void next_turn(memctl::Frames has) {
        if (!wanted_)
            return;
        if (turn_ == 0) {
            if (held_turns_ == 0 || has >= had_)
                held_turns_ = std::min(held_turns_ + 1, most_turns);
            had_ = has;
        }
        holds_now_ = turn_ < held_turns_;
        turn_ = (turn_ + 1) % turns;
    }
    [[nodiscard]] bool is_on() const { return wanted_; }
    // Whether it is held during this turn.
    [[nodiscard]] bool holds() const { return holds_now_; }
    // Part of its time that is withheld [1/1000].
    [[nodiscard]] std::uint32_t withheld() const { return held_turns_ * 1'000 / turns; }

  private:
    static constexpr std::uint32_t turns = 4, most_turns = 3;

    bool wanted_ = false, holds_now_ = false;
    std::uint32_t held_turns_ = 0, turn_ = 0;
    memctl::Frames had_; // when the four turns began
};

} // namespace bulkhead::host
