// Latencies as a log-linear histogram: 16 buckets for each power of two, so a percentile is right to 1/16.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace bulkhead::workload {

class Histogram {
  public:
    constexpr void add(Nanos value) {
        const auto ns = value.count() < 0 ? 0ull : static_cast<std::uint64_t>(value.count());
        ++counts_[bucket(ns)];
        ++total_;
        most_ = ns > most_ ? ns : most_;
    }
    [[nodiscard]] constexpr std::uint64_t count() const { return total_; }
    [[nodiscard]] constexpr Nanos max() const { return Nanos{static_cast<std::int64_t>(most_)}; }
    // The upper edge of the bucket in which the value lies that `permille` of all values do not exceed.
    [[nodiscard]] constexpr Nanos percentile(std::uint64_t permille) const {
        const std::uint64_t rank = (total_ * permille + 999) / 1000;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen >= rank && seen != 0)
                return Nanos{static_cast<std::int64_t>(upper_edge(i) < most_ ? upper_edge(i) : most_)};
        }
        return max();
    }

  private:
    static constexpr unsigned fine_bits = 4;
    static constexpr std::uint64_t fine = 1u << fine_bits;

    [[nodiscard]] static constexpr std::size_t bucket(std::uint64_t ns) {
        if (ns < fine)
            return ns;
        const auto exponent = static_cast<unsigned>(std::bit_width(ns)) - 1 - fine_bits;
        return (exponent + 1) * fine + ((ns >> exponent) - fine);
    }
    [[nodiscard]] static constexpr std::uint64_t upper_edge(std::size_t index) {
        if (index < fine)
            return index;
        const std::uint64_t exponent = index / fine - 1;
        return ((index % fine + fine + 1) << exponent) - 1;
    }

    std::array<std::uint32_t, (64 - fine_bits + 1) * fine> counts_{};
    std::uint64_t total_ = 0;
    std::uint64_t most_ = 0;
};

} // namespace bulkhead::workload
