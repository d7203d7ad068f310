// From the drive back to the guest: the bytes move between the disk's memory and the guest's pages, then the
// answer is published. A long request is copied in pieces.
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/block.hpp"
#include "hv/io/block_copy.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/plugin/rings.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv {

namespace {

using Copies = boost::intrusive::list<BlockRequest, boost::intrusive::constant_time_size<false>>;
constinit Late<Copies> copies; // whose bytes are to move, in the order in which the drive was done with them

[[nodiscard]] bool copy_segment(BlockRequest& request) {
    return move_segment(request, request.ring->disk->contents + request.position * ringctl::sector_bytes);
}

// What is forgotten reads as zeros. False: the rest later.
[[nodiscard]] bool clear_sectors(BlockRequest& request) {
    while (request.left > 0) {
        const auto sectors = std::min<std::uint64_t>(request.left, sectors_per_page);
        std::memset(request.ring->disk->contents + request.position * ringctl::sector_bytes, 0,
                    sectors * ringctl::sector_bytes);
        request.position += sectors;
        request.left -= sectors;
        if (request.left > 0 && machine::should_preempt())
            return false;
    }
    return true;
}

} // namespace

void start_block_rings() { copies.make(); }

template<>
void drive_is_done<false>(BlockRing& ring, const host::RequestFields& done) {
    auto& request = ring.requests[done.tag];
    request.state = BlockRequest::State::copying;
    copies->push_back(request);
}

template<>
void drive_is_done<true>(BlockRing& ring, const host::RequestFields& done) {
    auto& request = ring.requests[done.tag];
    ring.release(request);
    answer<true>(ring, request.id, request.operation, request.status);
}

bool is_copy_left() { return !copies->empty(); }

void copy_one_request() {
    auto& request = copies->front();
    rings::work_for(request.ring->guest);
    if (request.operation == BLKIF_OP_DISCARD && !clear_sectors(request)) [[unlikely]]
        return;
    while (!is_moved(request)) {
        if (!copy_segment(request) || (machine::should_preempt() && !is_moved(request)))
            return;
    }
    copies->pop_front();
    request.ring->release(request);
    answer<false>(*request.ring, request.id, request.operation, request.status);
}

void drop_copies(BlockRing& ring) {
    for (auto& request : ring.requests)
        if (request.is_linked())
            copies->erase(copies->iterator_to(request));
}

// The producer becomes visible before the guest's wish to be told is read.
template<bool real>
void answer(BlockRing& ring, std::uint64_t id, std::uint8_t operation, std::int16_t status) {
    if (ring.broken)
        return;
    blkif_response response;
    std::memset(&response, 0, sizeof response); // nothing of ours shows in its padding
    response.id = id;
    response.operation = operation;
    response.status = status;
    auto& shared = *ring.shared;
    if (ring.narrow) [[unlikely]]
        write_narrow(ring, ring.answered, response);
    else
        std::memcpy(&shared.ring[ring.answered % ring_slots].rsp, &response, sizeof response);
    const RING_IDX before = ring.answered++;
    std::atomic_ref{shared.rsp_prod}.store(ring.answered, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const RING_IDX wished = std::atomic_ref{shared.rsp_event}.load(std::memory_order_relaxed);
    if (ring.answered - wished < ring.answered - before)
        raise_hypervisor_port(*ring.guest, ring.port, on_block_event<real>);
}
template void answer<false>(BlockRing&, std::uint64_t, std::uint8_t, std::int16_t);
template void answer<true>(BlockRing&, std::uint64_t, std::uint8_t, std::int16_t);

void break_ring(BlockRing& ring) {
    ring.broken = true;
    drop_copies(ring);
    for (auto& request : ring.requests)
        ring.release(request);
    close_ring(ring);
}

} // namespace bulkhead::hv
