// How a primitive is measured: the time-stamp counter before and after it, several times, the median without
// the reading's own cost. One tick is one instruction where the machine's clock counts instructions of 1 ns.
#pragma once

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace bulkhead::primitives {

inline constexpr std::size_t samples = 31;
using Samples = std::array<std::uint64_t, samples>;

[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint32_t low = 0, high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return std::uint64_t{high} << 32 | low;
}

[[nodiscard]] inline std::uint64_t median(Samples& taken) {
    std::ranges::sort(taken);
    return taken[samples / 2];
}

[[gnu::always_inline]] inline std::uint64_t cost_of(auto&& action) {
    const std::uint64_t start = ticks();
    action();
    return ticks() - start;
}

// What reading the counter twice takes.
inline std::uint64_t reading() {
    Samples taken{};
    for (auto& sample : taken)
        sample = cost_of([] {});
    return median(taken);
}

// Marks the beginning and the end of each row by a call that no row makes: `./bulkhead perf calls` counts the
// hypervisor's instructions in between.
inline void fence() { static_cast<void>(guest::hypercall::get_debugreg(7)); }

inline void report(std::string_view row, std::uint64_t cost) {
    fence();
    guest::print("RESULT name=primitives row={} ticks={}\n", row, cost);
    fence();
}

// Each `action` is measured after a `before` that is not; the first of each only warms up.
void measure(std::string_view row, auto&& before, auto&& action) {
    Samples taken{};
    before();
    action();
    for (auto& sample : taken) {
        before();
        sample = cost_of(action);
    }
    report(row, median(taken) - reading());
}
void measure(std::string_view row, auto&& action) {
    measure(row, [] {}, action);
}

// The groups of rows, in the order in which main.cpp runs them.
void measure_calls();
void measure_descriptors();
void measure_mapping();
void measure_tables();
void measure_reservation();
void measure_grants();
void measure_events();
void measure_timers();
void measure_emulation();
void measure_traps(); // last: it takes the trap table over
// For guests with a disk or an interface.
void measure_block();
void measure_sending();
void measure_receiving();

} // namespace bulkhead::primitives
