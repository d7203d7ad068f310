// The bytes of a block request, between the guest's pages and memory of the hypervisor, one segment at a
// time.
#pragma once

#include "hv/io/block_ring.hpp"
#include "hv/io/granted_page.hpp"

#include <cstring>

namespace bulkhead::hv {

// The next segment, whose bytes are at `place` or go there. False: the page is being made ready; the same
// segment again, later.
[[nodiscard]] inline bool move_segment(BlockRequest& request, std::byte* place) {
    const auto& segment = request.segment[request.copied];
    const std::uint64_t sectors = segment.last_sect - segment.first_sect + 1U;
    const CopiedPage page{*request.ring->guest, GrantRef{segment.gref},
                          request.is_read() ? GrantAccess::write : GrantAccess::read};
    if (page.status() == GrantStatus::restart)
        return false;
    if (page.status() != GrantStatus::okay) {
        request.status = BLKIF_RSP_ERROR;
        return true;
    }
    auto* const in_guest = page.data() + segment.first_sect * std::size_t{ringctl::sector_bytes};
    const auto bytes = sectors * ringctl::sector_bytes;
    if (request.is_read())
        std::memcpy(in_guest, place, bytes);
    else
        std::memcpy(place, in_guest, bytes);
    request.position += sectors;
    ++request.copied;
    return true;
}

// All of them, or one failed.
[[nodiscard]] inline bool is_moved(const BlockRequest& request) {
    return request.copied == request.segments || request.status != BLKIF_RSP_OKAY;
}

} // namespace bulkhead::hv
