// Grant tables, version 1: one domain lends frames to another, which maps or copies them. Tables and map records live in
// the quota of the domain that causes them.
#pragma once

#include "abi/types.hpp"
#include "hv/core/error.hpp"

extern "C" {
#include <xen/grant_table.h>
}

namespace bulkhead::hv {

struct Domain;

inline constexpr std::uint32_t max_grant_frames = 64;
inline constexpr std::uint32_t max_maptrack_frames = 1024;

struct MapRecord; // grant_map.cpp: one active mapping of somebody's grant by this domain

struct GrantTable {
    std::uint32_t frame_count;
    Mfn frames[max_grant_frames];                    // guest-visible arrays of grant_entry_v1_t
    void* active[max_grant_frames * 2];              // pages of per-grant use counts of the lender
    MapRecord* maptrack[max_maptrack_frames];
    std::uint32_t maptrack_pages;
    std::uint32_t maptrack_free; // head of the free list, 0 for none
};

// Unmaps what this domain mapped of others, and gives its own grant frames back. Answers restart until done.
[[nodiscard]] Result<> relinquish_grants(Domain& domain);

} // namespace bulkhead::hv
