// Segment descriptors of guests: what may stand in a GDT or LDT that the processor will use.
#pragma once

#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

// The descriptor as it may be installed: privilege forced to ring 3, marked as accessed (the processor can't
// do that, the tables being mapped read-only). One that is not present can do no harm and stays as it is.
// Fails with `invalid` for gates, task states and every other system type.
[[nodiscard]] constexpr Result<std::uint64_t> checked_descriptor(std::uint64_t descriptor) {
    constexpr std::uint64_t present = 1ULL << 47, privilege = 3ULL << 45, code_or_data = 1ULL << 44,
                            accessed = 1ULL << 40;
    if ((descriptor & present) == 0)
        return descriptor;
    if ((descriptor & code_or_data) == 0)
        return fail(Error::invalid);
    return descriptor | privilege | accessed;
}

// The same for a 32-bit guest, whose kernel has ring 1. What is ring 0's becomes ring 1's. 64-bit code is
// refused in every ring: in ring 1 or 2 it would reach the hypervisor's memory.
[[nodiscard]] constexpr Result<std::uint64_t> checked_pae_descriptor(std::uint64_t descriptor) {
    constexpr std::uint64_t present = 1ULL << 47, privilege = 3ULL << 45, ring_1 = 1ULL << 45,
                            code_or_data = 1ULL << 44, code = 1ULL << 43, accessed = 1ULL << 40,
                            long_mode = 1ULL << 53;
    if ((descriptor & present) == 0)
        return descriptor;
    if ((descriptor & code_or_data) == 0 || ((descriptor & code) != 0 && (descriptor & long_mode) != 0))
        return fail(Error::invalid);
    return descriptor | ((descriptor & privilege) == 0 ? ring_1 : 0) | accessed;
}

} // namespace bulkhead::hv
