// Makes the n-th allocation of a frame fail, whatever the pool has. The linker puts these functions in the
// place of the frame table's (tests/fuzz/allocations.cmake), so that the hypervisor has no code for it.
#pragma once

#include <cstdint>

namespace bulkhead::hv::test {

struct Allocations {
    std::uint64_t made = 0;  // since `fail_in`
    std::uint64_t fails = 0; // the number of the one that fails; 0: none
    bool lasts = false;      // all later ones fail too
};
[[nodiscard]] Allocations& allocations();

// Counts from here on.
inline void fail_in(std::uint64_t number, bool lasts = false) { allocations() = {0, number, lasts}; }

// Called at each allocation, if there is one to call.
extern void (*on_allocation)(bool fails);

} // namespace bulkhead::hv::test
