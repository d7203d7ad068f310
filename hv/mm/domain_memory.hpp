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
    std::uint64_t promised;           // frames set aside for it that it has not taken yet
    std::uint64_t metadata;           // frames that the hypervisor allocated for the domain
    std::uint64_t max_metadata;
    std::uint64_t metadata_guarantee; // as many are set aside for it
    Mfn unfinished_table; // a page table whose release was interrupted: the domain's debt, see settle()
};

// Frames that are set aside for the domain now: for its own memory, and for its metadata.
[[nodiscard]] inline std::uint64_t metadata_set_aside(const DomainMemory& memory) {
    return memory.metadata < memory.metadata_guarantee ? memory.metadata_guarantee - memory.metadata : 0;
}
[[nodiscard]] inline std::uint64_t set_aside(const DomainMemory& memory) {
    return memory.promised + metadata_set_aside(memory);
}

} // namespace bulkhead::hv
