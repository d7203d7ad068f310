// Block rings in the 32-bit layout: the same fields, with 64-bit ones aligned to four bytes.
#include "abi/pae.hpp"
#include "hv/io/block_ring.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv {

namespace {

using NarrowRequest = pae_abi::BlockRequest;
using NarrowIndirect = pae_abi::BlockIndirect;
using NarrowResponse = pae_abi::BlockResponse;

static_assert(pae_abi::block_ring_head + ring_slots * pae_abi::block_slot_bytes <= page_bytes);
static_assert(sizeof(NarrowRequest) == pae_abi::block_slot_bytes &&
              sizeof(NarrowIndirect) <= sizeof(NarrowRequest));
static_assert(offsetof(blkif_sring, ring) == pae_abi::block_ring_head);
static_assert(sizeof(pae_abi::BlockSegment) == sizeof(blkif_request_segment));

std::byte* slot(const BlockRing& ring, RING_IDX index) {
    return reinterpret_cast<std::byte*>(ring.shared) + pae_abi::block_ring_head +
           index % ring_slots * pae_abi::block_slot_bytes;
}

blkif_request_indirect widened(const NarrowIndirect& from) {
    blkif_request_indirect to{};
    to.operation = from.operation;
    to.indirect_op = from.indirect_op;
    to.nr_segments = from.nr_segments;
    to.id = from.id;
    to.sector_number = from.sector;
    to.handle = from.handle;
    std::ranges::copy(from.grefs, to.indirect_grefs);
    return to;
}

} // namespace

[[gnu::noinline, gnu::cold]] blkif_request read_narrow(const BlockRing& ring, RING_IDX index) {
    NarrowRequest from;
    std::memcpy(&from, slot(ring, index), sizeof from);
    blkif_request to{};
    if (from.operation == BLKIF_OP_INDIRECT) {
        NarrowIndirect indirect;
        std::memcpy(&indirect, &from, sizeof indirect);
        const auto wide = widened(indirect);
        std::memcpy(&to, &wide, sizeof wide);
        return to;
    }
    to.operation = from.operation;
    to.nr_segments = from.nr_segments;
    to.handle = from.handle;
    to.id = from.id;
    to.sector_number = from.sector;
    std::memcpy(to.seg, from.seg, sizeof from.seg);
    return to;
}

[[gnu::noinline, gnu::cold]] void write_narrow(BlockRing& ring, RING_IDX index,
                                               const blkif_response& response) {
    NarrowResponse to;
    std::memset(&to, 0, sizeof to); // nothing of ours shows in its padding
    to.id = response.id;
    to.operation = response.operation;
    to.status = response.status;
    std::memcpy(slot(ring, index), &to, sizeof to);
}

} // namespace bulkhead::hv
