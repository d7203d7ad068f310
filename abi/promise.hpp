// What a machine promises to a domain when the domain is created, in frames. The hypervisor sets it aside or
// refuses the creation; the planner of a machine's memory counts the same numbers. A domain's other limits
// (max_memory, the limit of metadata) are ceilings: served while the pool has more than what is promised and
// the reserve.
#pragma once

#include "abi/types.hpp"

#include <algorithm>

namespace bulkhead::promise {

// For the hypervisor's own work: a policy that takes over, what policies allocate, page tables. No guest can
// reach it.
inline constexpr std::uint64_t reserve = 256;

// Metadata: what the hypervisor allocates on a domain's behalf (vCPUs, ports, grants, map records).
[[nodiscard]] constexpr std::uint64_t metadata_limit(std::uint64_t vcpus) { return 256 + 8 * vcpus; }
// Without any call of its own: two frames for each vCPU, one of ports, three of grants.
[[nodiscard]] constexpr std::uint64_t metadata_at_start(std::uint64_t vcpus) { return 4 + 2 * vcpus; }
// And a sixteenth of the initial memory: 64 KiB for the smallest guest of 1 MiB.
[[nodiscard]] constexpr std::uint64_t metadata(std::uint64_t frames, std::uint64_t vcpus) {
    return std::min(metadata_at_start(vcpus) + frames / 16, metadata_limit(vcpus));
}

// What a domain costs beside, at most: its structures, its shared page, page tables, the policy's objects.
[[nodiscard]] constexpr std::uint64_t structures(std::uint64_t vcpus) { return 16 + vcpus / 4; }

[[nodiscard]] constexpr std::uint64_t whole(std::uint64_t frames, std::uint64_t vcpus) {
    return frames + metadata(frames, vcpus) + structures(vcpus);
}

} // namespace bulkhead::promise
