// Pages of a guest's metadata quota at a place of the hypervisor's address space that is set aside for them:
// where the state of a ring lies. The drive lock is held for every call.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

inline constexpr std::uint64_t most_ring_pages = 40; // of one ring

// Fails: no_memory; restart: make the same call again, and no other one before it has ended.
[[nodiscard]] Result<> take_ring_memory(Domain& domain, std::uint64_t base, std::uint64_t pages);
void return_ring_memory(Domain& domain, std::uint64_t base, std::uint64_t pages);

} // namespace bulkhead::hv
