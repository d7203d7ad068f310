// Where rings and their domains stand: numbers that the ring policy's host knows them by, used again, and the
// memory of a ring. The drive lock is held for every call.
#pragma once

#include "hv/io/block_ring.hpp"

namespace bulkhead::hv {

// In the machine. Those of real disks have numbers of their own.
inline constexpr std::uint32_t max_rings = 1024, max_real_rings = 32;

// At boot, on a machine with disks.
void start_seats();
// At boot, on a machine with real disks.
void start_real_seats(RingTenants& of_real);
// A ring for the domain on that disk, in pages of its quota, not connected yet. `values` are the ring
// policy's domain parameters, nullptr for its defaults; the domain's first ring decides. Fails: no_space,
// no_memory; restart: make the same call again, and no other one before it has ended.
[[nodiscard]] Result<BlockRing*> make_ring(Domain& domain, VirtualDisk& disk, std::uint16_t group,
                                           const std::int64_t* values);
// It is connected to nothing.
void free_ring(BlockRing& ring);
// What follows is of modelled disks, or of real ones.
// nullptr if there is none; any number may come.
template<bool real>
[[nodiscard]] BlockRing* ring_by_number(std::uint32_t number);
// Whose turn it is of those with requests that are still to be taken, or nullptr.
template<bool real>
[[nodiscard]] BlockRing* ring_with_more();
// Whether requests of the ring are still to be taken, and whether any ring has some.
void note_more(BlockRing& ring, bool has_more);
template<bool real>
[[nodiscard]] bool is_more_left();

template<>
BlockRing* ring_by_number<false>(std::uint32_t number);
template<>
BlockRing* ring_by_number<true>(std::uint32_t number);
template<>
BlockRing* ring_with_more<false>();
template<>
BlockRing* ring_with_more<true>();
template<>
bool is_more_left<false>();
template<>
bool is_more_left<true>();

} // namespace bulkhead::hv
