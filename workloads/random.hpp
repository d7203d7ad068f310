// A small seeded generator (xorshift64*, Vigna 2016): the same seed gives the same attack, call for call.
#pragma once

#include <cstdint>

namespace bulkhead::workload {

class Random {
  public:
    constexpr explicit Random(std::uint64_t seed) : state_{seed == 0 ? 0x9e3779b97f4a7c15 : seed} {}
    constexpr std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1d;
    }
    constexpr std::uint64_t below(std::uint64_t bound) { return (next() >> 11) % bound; }

  private:
    std::uint64_t state_;
};

} // namespace bulkhead::workload
