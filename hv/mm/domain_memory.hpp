// A domain's memory: the frames that are its own, and the quota of what the hypervisor allocates on its
// behalf.
#pragma once

#include "hv/base/lock.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

struct DomainMemory {
    Lock lock;
    FrameList frames;
    std::uint64_t max_frames; // 0: the domain is being taken apart
    std::uint64_t frames_peak;
    std::uint64_t frames_to_return;   // owned when its destruction began
    std::uint32_t vcpus_relinquished; // as many, from 0 on, have given up their page tables for ever
    std::uint64_t metadata;           // frames that the hypervisor allocated for the domain
    std::uint64_t max_metadata;
    Mfn unfinished_table; // a page table whose release was interrupted: the domain's debt, see settle()
};

} // namespace bulkhead::hv
