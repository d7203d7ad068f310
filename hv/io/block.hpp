// The block back end (<xen/io/blkif.h>, 64-bit layout, one page, no persistent grants): connects a guest's
// ring to a disk, and gives everything back when the ring goes. Its functions take the drive lock.
#pragma once

#include "abi/plugin.hpp"
#include "abi/types.hpp"
#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct BlockRing;

struct BlockConnection {
    std::uint64_t disk;         // its number in the manifest
    GrantRef ring;              // the guest's page, granted to domain 0 for writing
    Port port;                  // the guest's, which waits for domain 0
    const std::int64_t* values; // of the ring policy's domain parameters, nullptr: its defaults
    std::uint16_t group;        // of domains that the ring policy takes for one; 0: none
    bool narrow = false;        // the ring has the 32-bit layout
};

// Fails: no_entry (no such disk), busy (it is connected), invalid (the page or the port), no_memory (the
// guest's quota); restart: make the call again.
[[nodiscard]] Result<> connect_block(Domain& domain, const BlockConnection& connection);
// Requests that are queued are forgotten, those that the drive has are waited for: answers restart until
// done. no_entry if the domain has no ring on that disk.
[[nodiscard]] Result<> disconnect_block(Domain& domain, std::uint64_t disk);
// All of them, before the domain's memory goes. Answers restart until done.
[[nodiscard]] Result<> disconnect_all_blocks(Domain& domain);
// The domain's weight has changed.
void block_weight_changed(const Domain& domain);
// Its parameters change, as the ring policy was asked before. The drive lock is held.
void block_values_changed(const Domain& domain, const plugin::ValueChanges& changes);
// Takes the requests of one ring on a disk of that kind for which there was no time before, billed to its
// guest. False if there is none. The drive lock is held.
template<bool real>
[[nodiscard]] bool take_left_requests();

} // namespace bulkhead::hv
