// Single bits in pages that a guest writes at the same time. Every access is one atomic instruction and
// nothing read here is ever used as an index.
#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::hv::shared_bits {

inline constexpr std::uint32_t word_bits = 64;

// The array is one of shared_info's bitmaps; `bit` was checked against its size by the caller.
[[nodiscard]] inline std::atomic_ref<unsigned long> word_of(unsigned long* array, std::uint32_t bit) {
    return std::atomic_ref{array[bit / word_bits]};
}
[[nodiscard]] constexpr unsigned long mask_of(std::uint32_t bit) { return 1UL << (bit % word_bits); }

[[nodiscard]] inline bool test(unsigned long* array, std::uint32_t bit) {
    return (word_of(array, bit).load(std::memory_order_seq_cst) & mask_of(bit)) != 0;
}
// Both return whether the bit was set before.
inline bool test_and_set(unsigned long* array, std::uint32_t bit) {
    return (word_of(array, bit).fetch_or(mask_of(bit), std::memory_order_seq_cst) & mask_of(bit)) != 0;
}
inline bool test_and_clear(unsigned long* array, std::uint32_t bit) {
    return (word_of(array, bit).fetch_and(~mask_of(bit), std::memory_order_seq_cst) & mask_of(bit)) != 0;
}

} // namespace bulkhead::hv::shared_bits
