// Where rings and their domains stand: numbers that the ring policy's host knows them by, used again, and the
// memory of a ring. The drive lock is held for every call.
#pragma once

#include "hv/io/block_ring.hpp"

namespace bulkhead::hv {

inline constexpr std::uint32_t max_rings = 1024; // in the machine

// At boot, on a machine with disks.
void start_seats();
// A ring for the domain, in pages of its quota, not connected yet. `values` are the ring policy's domain
// parameters, nullptr for its defaults; the domain's first ring decides. Fails: no_space, no_memory; restart:
// make the same call again, and no other one before it has ended.
[[nodiscard]] Result<BlockRing*> make_ring(Domain& domain, std::uint16_t group, const std::int64_t* values);
// It is connected to nothing.
void free_ring(BlockRing& ring);
// nullptr if there is none; any number may come.
[[nodiscard]] BlockRing* ring_by_number(std::uint32_t number);
// Whose turn it is of those with requests that are still to be taken, or nullptr.
[[nodiscard]] BlockRing* ring_with_more();
// Whether requests of the ring are still to be taken, and whether any ring has some.
void note_more(BlockRing& ring, bool has_more);
[[nodiscard]] bool is_more_left();

} // namespace bulkhead::hv
