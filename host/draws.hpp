// The streams of random numbers that a run's seed gives beside the scheduler's, which has the seed itself.
#pragma once

#include <cstdint>

namespace bulkhead::host {

enum class Draws : std::uint64_t { memory_policy = 1, ring_policy, page_samples };

// Its own seed, so that no two of them draw the same numbers.
constexpr std::uint64_t seed_of(Draws stream, std::uint64_t seed) {
    return seed ^ static_cast<std::uint64_t>(stream) * 0xd1b54a32d192ed03;
}

} // namespace bulkhead::host
