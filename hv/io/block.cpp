// How rings come and go.
#include "hv/io/block.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/real_rings.hpp"
#include "hv/plugin/rings.hpp"

namespace bulkhead::hv {

namespace {

BlockRing* ring_on(Domain& domain, std::uint64_t disk) {
    BlockRing* ring = domain.block_rings;
    while (ring != nullptr && ring->disk != find_disk(disk))
        ring = ring->next;
    return ring;
}

PortHandler handler_of(const BlockRing& ring) {
    return ring.disk->is_real() ? on_block_event<true> : on_block_event<false>;
}

bool open(BlockRing& ring) { return ring.disk->is_real() ? real_rings::open(ring) : rings::open(ring); }

void set_timer_for(const BlockRing& ring) {
    if (ring.disk->is_real())
        devices::set_poll_timer();
    else
        devices::set_timer();
}

// The shared page and the port; on failure neither is held.
Result<> connect_to_guest(BlockRing& ring, const BlockConnection& connection) {
    GrantedPage page{*ring.guest, connection.ring, GrantAccess::write};
    if (page.status() != GrantStatus::okay)
        return fail(page.status() == GrantStatus::restart ? Error::restart : Error::invalid);
    BULKHEAD_TRY(take_waiting_port(*ring.guest, connection.port, back_end_domain, handler_of(ring)));
    ring.port = connection.port;
    ring.frame = page.keep();
    ring.shared = machine::frame_as<blkif_sring>(ring.frame);
    ring.narrow = connection.narrow;
    ring.taken = ring.answered = std::atomic_ref{ring.shared->rsp_prod}.load(std::memory_order_relaxed);
    return {};
}

void part_from_guest(BlockRing& ring) {
    release_hypervisor_port(*ring.guest, ring.port, back_end_domain, handler_of(ring));
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

// All rings of one kind have one tenant.
template<class Tell>
void for_tenant(const Domain& domain, bool real, Tell tell) {
    BlockRing* ring = domain.block_rings;
    while (ring != nullptr && ring->disk->is_real() != real)
        ring = ring->next;
    if (ring == nullptr)
        return;
    tell(*ring->domain);
    set_timer_for(*ring);
}

// Answers restart while the drive still has a request of the ring. No other one is taken meanwhile.
Result<> disconnect(BlockRing& ring) {
    ring.broken = true;
    note_more(ring, false);
    close_ring(ring);
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
    const auto made = make_ring(domain, *disk, connection.group, connection.values);
    if (!made)
        return fail(made.error());
    BlockRing& ring = **made;
    if (const auto connected = connect_to_guest(ring, connection); !connected) {
        free_ring(ring);
        return connected;
    }
    if (!open(ring)) {
        part_from_guest(ring);
        free_ring(ring);
        return fail(Error::no_memory);
    }
    link(ring);
    if (disk->is_real())
        take_requests<true>(ring);
    else
        take_requests<false>(ring);
    set_timer_for(ring);
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
    const auto tell = [&](auto tune) {
        return [&domain, tune](RingTenant& tenant) {
            tenant.io.weight = domain.sched.weight;
            tune(tenant);
        };
    };
    for_tenant(domain, false, tell(rings::tune));
    for_tenant(domain, true, tell(real_rings::tune));
}

void block_values_changed(const Domain& domain, const plugin::ValueChanges& changes) {
    const auto tell = [&](auto change) {
        return [&changes, change](RingTenant& tenant) { static_cast<void>(change(tenant, changes)); };
    };
    for_tenant(domain, false, tell(rings::change));
    for_tenant(domain, true, tell(real_rings::change));
}

void close_ring(BlockRing& ring) {
    if (!rings::is_open(ring))
        return;
    if (ring.disk->is_real())
        real_rings::close(ring);
    else
        rings::close(ring);
}

template<bool real>
bool take_left_requests() {
    BlockRing* const ring = ring_with_more<real>();
    if (ring == nullptr)
        return false;
    rings::work_for(ring->guest);
    take_requests<real>(*ring);
    return true;
}
template bool take_left_requests<false>();
template bool take_left_requests<true>();

} // namespace bulkhead::hv
