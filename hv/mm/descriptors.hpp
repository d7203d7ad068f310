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

} // namespace bulkhead::hv
