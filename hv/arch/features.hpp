// The features of this processor, found once at start-up, and the control registers that follow from them.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

// x87, SSE and AVX: the state components that guests may use are switched; wider vectors are not offered to
// guests.
inline constexpr std::uint32_t vector_states = 7;

struct Features {
    bool smep, smap, umip, xsave;
    std::uint64_t xcr0;      // those of vector_states that there are
    std::uint32_t fpu_bytes; // size of their save area
};
[[nodiscard]] const Features& features();

// Sets CR0, CR4, EFER and XCR0 of this pCPU. The first call detects.
void start_processor();

} // namespace bulkhead::hv
