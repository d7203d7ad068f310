// The exception that a vCPU raised last, kept for a dump of it.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

struct LastException {
    std::uint64_t rip, error;
    std::uint64_t address; // of a page fault
    std::uint32_t vector;
    bool in_kernel;
    bool happened; // false: it raised none yet
};

} // namespace bulkhead::hv
