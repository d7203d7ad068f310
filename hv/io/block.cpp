// How rings come and go.
#include "hv/io/block.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/rings.hpp"

namespace bulkhead::hv {

namespace {

BlockRing* ring_on(Domain& domain, std::uint64_t disk) {
    BlockRing* ring = domain.block_rings;
    while (ring != nullptr && ring->disk != find_disk(disk))
        ring = ring->next;
    return ring;
}

// The shared page and the port; on failure neither is held.
Result<> connect_to_guest(BlockRing& ring, const BlockConnection& connection) {
    GrantedPage page{*ring.guest, connection.ring, GrantAccess::write};
    if (page.status() != GrantStatus::okay)
        return fail(page.status() == GrantStatus::restart ? Error::restart : Error::invalid);
    BULKHEAD_TRY(take_waiting_port(*ring.guest, connection.port, back_end_domain, on_block_event));
    ring.port = connection.port;
    ring.frame = page.keep();
    ring.shared = machine::frame_as<blkif_sring>(ring.frame);
    ring.narrow = connection.narrow;
    ring.taken = ring.answered = std::atomic_ref{ring.shared->rsp_prod}.load(std::memory_order_relaxed);
    return {};
}

void part_from_guest(BlockRing& ring) {
    release_hypervisor_port(*ring.guest, ring.port, back_end_domain, on_block_event);
    put_data(ring.frame, true);
}

void link(BlockRing& ring) {
    ring.next = ring.guest->block_rings;
    ring.guest->block_rings = &ring;
    ring.disk->ring = &ring;
}

void unlink(BlockRing& ring) {
    BlockRing** place = &ring.guest->block_rings;
    while (*place != &ring)
        place = &(*place)->next;
    *place = ring.next;
    ring.disk->ring = nullptr;
}

// Answers restart while the drive still has a request of the ring. No other one is taken meanwhile.
Result<> disconnect(BlockRing& ring) {
    ring.broken = true;
    note_more(ring, false);
    if (rings::is_open(ring))
        rings::close(ring);
    drop_copies(ring);
    if (ring.queue.used > 0)
        return fail(Error::restart);
    part_from_guest(ring);
    unlink(ring);
    free_ring(ring);
    return {};
}

} // namespace

Result<> connect_block(Domain& domain, const BlockConnection& connection) {
    const LockGuard drive_held{drive_lock()};
    VirtualDisk* const disk = find_disk(connection.disk);
    if (disk == nullptr)
        return fail(Error::no_entry);
    if (disk->ring != nullptr)
        return fail(Error::busy);
    if (domain.life == control::Life::dying)
        return fail(Error::no_domain);
    // restart leaves what was made so far
    const auto made = make_ring(domain, connection.group, connection.values);
    if (!made)
        return fail(made.error());
    BlockRing& ring = **made;
    ring.disk = disk;
    if (const auto connected = connect_to_guest(ring, connection); !connected) {
        free_ring(ring);
        return connected;
    }
    if (!rings::open(ring)) {
        part_from_guest(ring);
        free_ring(ring);
        return fail(Error::no_memory);
    }
    link(ring);
    take_requests(ring);
    devices::set_timer();
    return {};
}

Result<> disconnect_block(Domain& domain, std::uint64_t disk) {
    const LockGuard drive_held{drive_lock()};
    BlockRing* const ring = ring_on(domain, disk);
    return ring != nullptr ? disconnect(*ring) : fail(Error::no_entry);
}

Result<> disconnect_all_blocks(Domain& domain) {
    const LockGuard drive_held{drive_lock()};
    while (domain.block_rings != nullptr)
        BULKHEAD_TRY(disconnect(*domain.block_rings));
    return {};
}

void block_weight_changed(const Domain& domain) {
    const LockGuard drive_held{drive_lock()};
    if (domain.block_rings == nullptr)
        return;
    RingTenant& tenant = *domain.block_rings->domain;
    tenant.io.weight = domain.sched.weight;
    rings::tune(tenant);
    devices::set_timer();
}

bool take_left_requests() {
    BlockRing* const ring = ring_with_more();
    if (ring == nullptr)
        return false;
    rings::work_for(ring->guest);
    take_requests(*ring);
    return true;
}

} // namespace bulkhead::hv
