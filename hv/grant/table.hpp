// Grant tables, version 1: one domain lends frames to another, which maps or copies them. Tables and map
// records live in the quota of the domain that causes them. An operation takes the locks of the two domains'
// grants one after the other, and holds neither while it maps or copies.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/lock.hpp"

extern "C" {
#include <xen/grant_table.h>
}

namespace bulkhead::hv {

struct Domain;

inline constexpr std::uint32_t max_grant_frames = 64;
inline constexpr std::uint32_t max_maptrack_frames = 1024;
inline constexpr std::uint32_t grants_per_frame = page_bytes / sizeof(grant_entry_v1_t);

struct ActiveGrant; // active.hpp: the users of one entry of this domain's table, and how often
struct MapRecord;   // map.hpp: one active mapping of another domain's grant by this domain

// All zero is a table without entries and without mappings.
struct GrantTable {
    Lock<Rank::grants> lock; // of everything here; of a borrower's record only until it is `busy`

    // As a lender.
    std::uint32_t frame_count;
    Mfn frames[max_grant_frames];              // guest-visible arrays of grant_entry_v1_t
    ActiveGrant* active[max_grant_frames * 2]; // pages of use counts, two for each of `frames`
    std::uint64_t uses;                        // sum of all use counts

    // As a borrower.
    MapRecord* maptrack[max_maptrack_frames];
    std::uint32_t maptrack_pages;
    std::uint32_t maptrack_free;       // head of the free list, 0 for none
    std::uint32_t mappings;            // records in use
    std::atomic<std::uint64_t> copied; // bytes that it had copies move

    // Where an unfinished relinquish_grants goes on.
    struct {
        std::uint32_t own_handle;
        std::uint32_t their_handle; // of the borrower at hand
        std::uint32_t slot;         // of the borrower at hand
    } teardown;
};

// The first frame of the table, so that a guest has some before it asks for more. Fails: no_memory (the
// quota).
[[nodiscard]] Result<> start_grants(Domain& domain);

// Destruction, first step. Forgets the frames that this domain mapped of others (its page tables go with its
// memory). Cuts the records of others off its table, so that nothing refers to it. Frames that others still
// map stay theirs until they unmap them. The domain must be dying: no domain can map its grants any more.
// Answers restart until done.
[[nodiscard]] Result<> relinquish_grants(Domain& domain);
// Second step, once the domain's page tables are gone: gives the table and the records back. Fails with busy
// while the domain still maps its grant frames.
[[nodiscard]] Result<> free_grants(Domain& domain);

// Compares every use count with the records of all domains and returns how many differ. Linear in records and
// entries.
[[nodiscard]] std::uint64_t audit_grants();
// The same while guests stand still, in steps: answers restart until done. One at a time.
[[nodiscard]] Result<std::uint64_t> audit_grants_in_steps();

} // namespace bulkhead::hv
