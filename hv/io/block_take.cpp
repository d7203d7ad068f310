// From the ring to the policy: each request is copied once, the copy is checked, and only the copy is used.
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/real_rings.hpp"
#include "hv/plugin/rings.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace bulkhead::hv {

namespace {

// What a request comes to at once: it waits for the drive, or it has its answer.
constexpr std::int16_t waits = 1;
static_assert(waits != BLKIF_RSP_OKAY && waits != BLKIF_RSP_ERROR && waits != BLKIF_RSP_EOPNOTSUPP);

// The ring has no more slots than it has requests, so that one is free.
BlockRequest& free_request(BlockRing& ring) { return ring.requests[std::countr_zero(ring.free)]; }

// Sectors of all segments, 0 if one of them is impossible.
std::uint64_t sectors_of(const BlockRequest& request) {
    std::uint64_t sectors = 0;
    for (std::uint32_t i = 0; i < request.segments; ++i) {
        const auto& each = request.segment[i];
        if (each.first_sect > each.last_sect || each.last_sect >= sectors_per_page)
            return 0;
        sectors += each.last_sect - each.first_sect + 1U;
    }
    return sectors;
}

template<bool real>
void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
            std::uint32_t tag) {
    if constexpr (real)
        real_rings::submit(ring, operation, sector, bytes, tag);
    else
        rings::submit(ring, operation, sector, bytes, tag);
}

void take_place(BlockRing& ring, BlockRequest& request, std::uint64_t position) {
    ring.free &= ~(std::uint32_t{1} << (&request - ring.requests));
    request.state = BlockRequest::State::at_the_drive;
    request.status = BLKIF_RSP_OKAY;
    request.copied = 0;
    request.position = position;
    request.ring = &ring;
}

constexpr auto operations = [] { // of the policy
    std::array<ringctl::Operation, BLKIF_OP_FLUSH_DISKCACHE + 1> all{};
    all[BLKIF_OP_READ] = ringctl::Operation::read;
    all[BLKIF_OP_WRITE] = ringctl::Operation::write;
    all[BLKIF_OP_WRITE_BARRIER] = ringctl::Operation::barrier;
    all[BLKIF_OP_FLUSH_DISKCACHE] = ringctl::Operation::flush;
    return all;
}();

// Its segments and their sum are checked; the grants are when the bytes move. Without segments it moves none.
template<bool real>
std::int16_t queue(BlockRing& ring, BlockRequest& request, std::uint64_t sector) {
    const auto& disk = *ring.disk;
    const auto sectors = sectors_of(request);
    if ((sectors == 0 && request.segments != 0) || sector > disk.sectors || sectors > disk.sectors - sector ||
        (disk.read_only && request.alters()))
        return BLKIF_RSP_ERROR;
    take_place(ring, request, sector);
    submit<real>(ring, operations[request.operation], disk.first + sector,
                 static_cast<std::uint32_t>(sectors * ringctl::sector_bytes),
                 static_cast<std::uint32_t>(&request - ring.requests));
    return waits;
}

// One that moves no bytes. The policy sees it where the disk's part of the device begins.
template<bool real>
std::int16_t queue_without_bytes(BlockRing& ring, const blkif_request& asked) {
    auto& request = free_request(ring);
    request.operation = asked.operation;
    request.id = asked.id;
    request.segments = 0;
    return queue<real>(ring, request, 0);
}

// Only of a modelled disk: domain 0 offers neither this nor barriers for a real one. Clearing is work of the
// hypervisor, so it is bounded and paid for as a write is: as many sectors as the largest write has, with
// their bytes.
std::int16_t take_discard(BlockRing& ring, const blkif_request& asked) {
    blkif_request_discard discard;
    std::memcpy(&discard, &asked, sizeof discard);
    const auto& disk = *ring.disk;
    const std::uint64_t sector = discard.sector_number, sectors = discard.nr_sectors;
    if (sectors == 0 || sector > disk.sectors || sectors > disk.sectors - sector || disk.read_only)
        return BLKIF_RSP_ERROR;
    auto& request = free_request(ring);
    request.operation = asked.operation;
    request.id = asked.id;
    request.segments = 0;
    request.left = std::min<std::uint64_t>(sectors, most_discarded);
    const auto bytes = static_cast<std::uint32_t>(request.left * ringctl::sector_bytes);
    take_place(ring, request, sector);
    submit<false>(ring, ringctl::Operation::discard, disk.first + sector, bytes,
                  static_cast<std::uint32_t>(&request - ring.requests));
    return waits;
}
static_assert(sizeof(blkif_request_discard) <= sizeof(blkif_request));

// Of those that may have some: only a barrier needs none.
template<bool real>
[[gnu::noinline]] std::int16_t take_without_segments(BlockRing& ring, const blkif_request& asked) {
    if (asked.nr_segments != 0 || asked.operation != BLKIF_OP_WRITE_BARRIER)
        return BLKIF_RSP_ERROR;
    return queue_without_bytes<real>(ring, asked);
}

// Barriers, which a real disk does not have, stand behind reads and writes.
template<bool real>
constexpr std::uint8_t last_direct = real ? BLKIF_OP_WRITE : BLKIF_OP_WRITE_BARRIER;
static_assert(BLKIF_OP_READ == 0 && BLKIF_OP_WRITE == 1 && BLKIF_OP_WRITE_BARRIER == 2);

template<bool real>
std::int16_t take_direct(BlockRing& ring, const blkif_request& asked) {
    if (asked.nr_segments == 0 || asked.nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) [[unlikely]]
        return take_without_segments<real>(ring, asked);
    auto& request = free_request(ring);
    request.operation = asked.operation;
    request.id = asked.id;
    request.segments = asked.nr_segments;
    std::copy_n(asked.seg, asked.nr_segments, request.segment);
    return queue<real>(ring, request, asked.sector_number);
}

// What is asked for rarely.
template<bool real>
[[gnu::noinline]] std::int16_t take_other(BlockRing& ring, const blkif_request& asked) {
    if (asked.operation == BLKIF_OP_FLUSH_DISKCACHE)
        return queue_without_bytes<real>(ring, asked);
    if (!real && asked.operation == BLKIF_OP_DISCARD)
        return take_discard(ring, asked);
    return BLKIF_RSP_EOPNOTSUPP;
}

// The list is copied once. False if the page cannot be read.
bool read_segments(Domain& guest, GrantRef ref, blkif_request_segment* to, std::uint32_t count) {
    const CopiedPage list{guest, ref, GrantAccess::read};
    if (list.status() != GrantStatus::okay)
        return false;
    std::memcpy(to, list.data(), count * sizeof *to);
    return true;
}

template<bool real>
std::int16_t take_indirect(BlockRing& ring, const blkif_request_indirect& asked) {
    if (asked.indirect_op != BLKIF_OP_READ && asked.indirect_op != BLKIF_OP_WRITE)
        return BLKIF_RSP_EOPNOTSUPP;
    if (asked.nr_segments == 0 || asked.nr_segments > most_segments)
        return BLKIF_RSP_ERROR;
    auto& request = free_request(ring);
    if (!read_segments(*ring.guest, GrantRef{asked.indirect_grefs[0]}, request.segment, asked.nr_segments))
        return BLKIF_RSP_ERROR;
    request.operation = asked.indirect_op;
    request.id = asked.id;
    request.segments = asked.nr_segments;
    return queue<real>(ring, request, asked.sector_number);
}
static_assert(most_segments * sizeof(blkif_request_segment) <= page_bytes);

template<bool real>
void take_one(BlockRing& ring) {
    blkif_request asked;
    if (ring.narrow) [[unlikely]]
        asked = read_narrow(ring, ring.taken);
    else
        std::memcpy(&asked, &ring.shared->ring[ring.taken % ring_slots].req, sizeof asked);
    ++ring.taken;
    std::int16_t status;
    std::uint64_t id = asked.id;
    std::uint8_t operation = asked.operation;
    if (asked.operation <= last_direct<real>) {
        status = take_direct<real>(ring, asked);
    } else if (asked.operation == BLKIF_OP_INDIRECT) {
        blkif_request_indirect indirect;
        std::memcpy(&indirect, &asked, sizeof indirect);
        status = take_indirect<real>(ring, indirect);
        id = indirect.id;
        operation = indirect.indirect_op;
    } else {
        status = take_other<real>(ring, asked);
    }
    if (status != waits)
        answer<real>(ring, id, operation, status);
}
static_assert(sizeof(blkif_request_indirect) <= sizeof(blkif_request));

// The ring holds what was taken and has no answer yet, and the rest of its slots are the most that can have
// come: a producer that goes back behind what was taken is too far ahead of it, too.
bool is_possible(const BlockRing& ring, RING_IDX produced) {
    return produced - ring.taken <= ring_slots - (ring.taken - ring.answered);
}

BlockRing* ring_behind(const Domain& domain, Port port) {
    BlockRing* ring = domain.block_rings;
    while (ring != nullptr && ring->port != port)
        ring = ring->next;
    return ring;
}

} // namespace

// The guest may fill the ring again meanwhile: the section's budget ends that, and the rest is for later.
template<bool real>
void take_requests(BlockRing& ring) {
    note_more(ring, false);
    while (!ring.broken) {
        const RING_IDX produced = std::atomic_ref{ring.shared->req_prod}.load(std::memory_order_acquire);
        if (!is_possible(ring, produced))
            return break_ring(ring);
        if (produced == ring.taken) {
            std::atomic_ref{ring.shared->req_event}.store(ring.taken + 1, std::memory_order_seq_cst);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (std::atomic_ref{ring.shared->req_prod}.load(std::memory_order_acquire) == ring.taken)
                return;
            continue;
        }
        take_one<real>(ring);
        if (machine::should_preempt()) {
            return note_more(ring, true);
        }
    }
}

template<bool real>
void on_block_event(Domain& domain, Port port) {
    const LockGuard drive_held{drive_lock()};
    BlockRing* const ring = ring_behind(domain, port);
    if (ring == nullptr)
        return;
    take_requests<real>(*ring);
    if constexpr (real)
        devices::set_poll_timer();
    else
        devices::set_timer();
}
template void on_block_event<false>(Domain&, Port);
template void on_block_event<true>(Domain&, Port);
template void take_requests<false>(BlockRing&);
template void take_requests<true>(BlockRing&);

} // namespace bulkhead::hv
