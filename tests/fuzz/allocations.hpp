// Makes the n-th allocation of a frame fail, whatever the pool has. The linker puts these functions in the
// place of the frame table's (tests/fuzz/allocations.cmake), so that the hypervisor has no code for it.
#pragma once

#include <cstdint>

namespace bulkhead::hv::test {

struct Allocations {
    std::uint64_t made = 0;  // since `fail_in`
    std::uint64_t fails = 0; // the number of the one that fails; 0: none
};
[[nodiscard]] Allocations& allocations();

// Counts from here on.
inline void fail_in(std::uint64_t number) { allocations() = {0, number}; }

} // namespace bulkhead::hv::test
