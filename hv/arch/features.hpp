// What this processor can do, found once at start-up, and the control registers that follow from it.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

struct Features {
    bool smep, smap, xsave;
    std::uint64_t xcr0;      // state components in use
    std::uint32_t fpu_bytes; // size of their save area
};
[[nodiscard]] const Features& features();

// Sets CR0, CR4, EFER and XCR0 of this pCPU. The first call detects.
void start_processor();

} // namespace bulkhead::hv
