// Reading and writing model-specific registers, where the instruction may be refused.
#pragma once

#include "guest/runtime/traps.hpp"

#include <optional>

namespace bulkhead::guest_test {

inline std::optional<std::uint64_t> read_msr(std::uint32_t msr) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    if (guest::traps::probe([&] { asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr)); }))
        return std::nullopt;
    return std::uint64_t{high} << 32 | low;
}

inline bool write_msr(std::uint32_t msr, std::uint64_t value) {
    const auto low = static_cast<std::uint32_t>(value);
    const auto high = static_cast<std::uint32_t>(value >> 32);
    return !guest::traps::probe([&] { asm volatile("wrmsr" : : "a"(low), "d"(high), "c"(msr)); });
}

} // namespace bulkhead::guest_test
