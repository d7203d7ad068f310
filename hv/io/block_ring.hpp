// What the block back end keeps of a guest's ring and of the requests that were taken from it. Everything is
// serialised by the drive lock. A ring lies in pages of its guest's metadata quota.
#pragma once

#include "host/ring_state.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/disk.hpp"
#include "hv/io/ring_tenant.hpp"

#include <atomic>
#include <boost/intrusive/list.hpp>

extern "C" {
#include <xen/io/blkif.h>
}

namespace bulkhead::hv {

inline constexpr std::uint32_t ring_slots = 32;    // of one page, in both layouts
inline constexpr std::uint32_t most_segments = 32; // of an indirect request, as offered
inline constexpr std::uint32_t sectors_per_page = page_bytes / ringctl::sector_bytes;
inline constexpr std::uint32_t most_discarded = most_segments * sectors_per_page; // sectors, at a time
static_assert(sizeof(blkif_request) == 112 && sizeof(blkif_response) == 16 &&
              sizeof(blkif_sring_entry) == 112);
static_assert(ring_slots <= ringctl::most_queued);

// A request that was taken: a checked copy of what the guest asked for.
struct BlockRequest : boost::intrusive::list_base_hook<> {
    enum class State : std::uint8_t { unused, at_the_drive, copying };
    State state = State::unused;
    std::uint8_t operation = 0; // BLKIF_OP_*, of an indirect one the inner
    std::int16_t status = BLKIF_RSP_OKAY;
    std::uint16_t segments = 0;
    std::uint16_t copied = 0;   // as many of them
    std::uint64_t id = 0;       // the guest's own
    std::uint64_t position = 0; // of the next segment, or of what is to be discarded: sector of the disk
    std::uint64_t left = 0;     // sectors that are to be discarded
    BlockRing* ring = nullptr;
    blkif_request_segment segment[most_segments]{};
    [[nodiscard]] bool is_read() const { return operation == BLKIF_OP_READ; }
    [[nodiscard]] bool alters() const { return !is_read() && operation != BLKIF_OP_FLUSH_DISKCACHE; }
};

struct BlockRing {
    RingTenant* domain = nullptr; // named so by host/ring_host.hpp, as is `queue`
    host::RingState queue{};
    Domain* guest = nullptr;
    BlockRing* next = nullptr; // of the same guest
    VirtualDisk* disk = nullptr;
    blkif_sring* shared = nullptr; // direct map
    Mfn frame{};
    Port port{};
    RING_IDX taken = 0, answered = 0;       // free-running, our own
    bool broken = false;                    // no request is taken any more
    bool narrow = false;                    // 32-bit layout
    bool has_more = false;                  // the section's time was over before all were taken
    std::uint32_t free = ~std::uint32_t{0}; // bit n: request n is unused
    BlockRequest requests[ring_slots]{};

    void release(BlockRequest& request) {
        request.state = BlockRequest::State::unused;
        free |= std::uint32_t{1} << (&request - requests);
    }
};
static_assert(ring_slots == 32);

// Before the first ring.
void start_block_rings();
// Takes what the guest has put into its ring, as long as the section's budget lasts. What the functions for
// modelled disks and those for real ones have in common costs neither a look at which it is.
template<bool real>
void take_requests(BlockRing& ring);
// Whether a request's bytes are still to be moved; moves those of one, and answers it, as far as the budget
// lasts.
[[nodiscard]] bool is_copy_left();
void copy_one_request();
// The drive is done with that request of the ring, which is open. For a real disk its bytes have moved.
template<bool real>
void drive_is_done(BlockRing& ring, const host::RequestFields& done);
// Those of the ring that wait to be copied are dropped: it goes.
void drop_copies(BlockRing& ring);
// The answer is put into the ring, and the guest told if it asked to be.
template<bool real>
void answer(BlockRing& ring, std::uint64_t id, std::uint8_t operation, std::int16_t status);
// The same slot in the 32-bit layout: the request there, copied once, in the form of the other; an answer put
// there.
[[nodiscard]] blkif_request read_narrow(const BlockRing& ring, RING_IDX index);
void write_narrow(BlockRing& ring, RING_IDX index, const blkif_response& response);
// The policy has nothing to do with it any more.
void close_ring(BlockRing& ring);
// The guest broke the ring's rules: it gets no answers any more. Nothing else notices.
void break_ring(BlockRing& ring);
// The port's handler: the guest signals its ring.
template<bool real>
void on_block_event(Domain& domain, Port port);

template<>
void drive_is_done<false>(BlockRing& ring, const host::RequestFields& done);
template<>
void drive_is_done<true>(BlockRing& ring, const host::RequestFields& done);

} // namespace bulkhead::hv
