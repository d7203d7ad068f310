// What a simulated block device takes for a request: a fixed part, a seek unless it goes on where the last
// one ended, and the transfer. A model with round numbers; no real disk was measured for it.
#pragma once

#include "abi/types.hpp"

#include <algorithm>

namespace bulkhead::sim {

inline constexpr std::uint32_t sector_bytes = 512;

struct Disk {
    Nanos request = microseconds(40); // of each request
    Nanos seek = microseconds(360);   // more, if it does not start where the one before it ended
    std::int64_t bytes_per_us = 400;  // of the transfer
    std::uint32_t depth = 1;          // requests that it takes at a time; it serves them one after another
    std::uint64_t sectors = std::uint64_t{1} << 24;

    [[nodiscard]] Nanos time(std::uint32_t bytes, bool sequential) const {
        const Nanos transfer{std::int64_t{bytes} * 1'000 / bytes_per_us};
        return std::max(request + (sequential ? Nanos{} : seek) + transfer, Nanos{1});
    }
    // Where a request ends, and the next one of a stream starts.
    [[nodiscard]] static std::uint64_t end_of(std::uint64_t sector, std::uint32_t bytes) {
        return sector + (bytes + sector_bytes - 1) / sector_bytes;
    }
};

} // namespace bulkhead::sim
