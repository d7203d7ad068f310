// Models of disks. A request takes a fixed part, a seek unless it goes on where the last one ended, and the
// transfer. A discard is a write of what it forgets. A flush has the fixed part alone, and what the cache
// takes. Two kinds have more than that:
// - a rotating disk's seek grows with the square root of the distance;
// - flash has channels that serve at the same time. A write takes longer than a read there, and a channel
//   erases for a while after so many bytes were written to it.
// The numbers are round; no real disk was measured for them. Freestanding: the hypervisor and the simulator
// include this very source, so a request takes the same time in both.
#pragma once

#include "host/ring_state.hpp"

#include <algorithm>

namespace bulkhead::device {

inline constexpr std::uint32_t most_channels = 64;

struct Disk {
    Nanos request = microseconds(40); // of each request
    Nanos seek = microseconds(360);   // more, if it does not start where the one before it ended
    std::int64_t bytes_per_us = 400;  // of the transfer
    std::uint32_t depth = 1;          // requests that it takes at a time
    std::uint64_t sectors = std::uint64_t{1} << 24;
    Nanos flush{};                 // more, of a flush or a barrier
    Nanos stroke{};                // a seek's more over the whole disk; over a part of it as its square root
    std::uint32_t channels = 1;    // at most most_channels; each serves one request after another
    Nanos program{};               // more, of a write
    Nanos erase{};                 // a channel does nothing else for so long,
    std::uint64_t erase_bytes = 0; // whenever so many bytes more were written to it; 0: never

    // Whether a request's time depends on no more than its bytes and whether it is sequential, on one
    // channel.
    [[nodiscard]] constexpr bool is_plain() const {
        return stroke == Nanos{} && channels == 1 && program == Nanos{} && erase_bytes == 0;
    }
    // What a seek over so many sectors takes more than `seek`.
    [[nodiscard]] constexpr Nanos travel(std::uint64_t distance) const {
        constexpr unsigned bits = 10; // of the root, a part of 1
        const std::uint64_t part =
            (std::min(distance, sectors) << 2 * bits) / std::max(sectors, std::uint64_t{1});
        std::uint64_t root = 0;
        for (std::uint64_t bit = std::uint64_t{1} << bits; bit != 0; bit >>= 1)
            if ((root + bit) * (root + bit) <= part)
                root += bit;
        return Nanos{stroke.count() * static_cast<std::int64_t>(root) >> bits};
    }
    // `parts`: how many requests it counts as.
    [[nodiscard]] constexpr Nanos time(std::uint32_t bytes, bool sequential, std::uint32_t parts = 1) const {
        const Nanos transfer{std::int64_t{bytes} * 1'000 / bytes_per_us};
        return std::max(request * std::int64_t{parts} + (sequential ? Nanos{} : seek) + transfer, Nanos{1});
    }
    // Of a discard, and of what may move no bytes: a flush, a barrier.
    [[nodiscard, gnu::noinline, gnu::cold]] Nanos time_of_rare(const host::RequestFields& asked,
                                                               bool sequential) const {
        const Nanos takes = time(asked.bytes, sequential || asked.bytes == 0, asked.parts);
        return ringctl::is_ordered(asked.operation) ? takes + flush : takes;
    }
};

} // namespace bulkhead::device
