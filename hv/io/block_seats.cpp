#include "hv/io/block_seats.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/ring_memory.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t ring_pages = (sizeof(BlockRing) + page_bytes - 1) / page_bytes;
static_assert(ring_pages <= most_ring_pages && ring_pages * page_bytes <= layout::block_ring_stride);

// Of the rings of modelled disks, or of real ones.
template<std::uint32_t most>
struct Seats {
    std::uint64_t memory; // of ring 0
    std::array<BlockRing*, most> rings{};
    std::uint32_t end = 0;       // no ring has this number or a higher one
    std::uint32_t next_turn = 0; // of those with more requests
    std::uint32_t with_more = 0;
    RingTenants* tenants = nullptr;

    [[nodiscard]] std::uint64_t address_of(std::uint32_t number) const {
        return memory + number * layout::block_ring_stride;
    }
    [[nodiscard]] BlockRing* numbered(std::uint32_t number) const {
        return number < most ? rings[number] : nullptr;
    }
    [[nodiscard]] BlockRing* one_with_more() {
        if (with_more == 0)
            return nullptr;
        for (std::uint32_t i = 0; i < end; ++i) {
            next_turn = next_turn + 1 < end ? next_turn + 1 : 0;
            if (BlockRing* const ring = rings[next_turn]; ring != nullptr && ring->has_more)
                return ring;
        }
        return nullptr;
    }
};
constinit Seats<max_rings> modelled{.memory = layout::block_rings};
constinit Seats<max_real_rings> real_disks{.memory =
                                               layout::block_rings + max_rings * layout::block_ring_stride};
static_assert(layout::block_rings + (max_rings + max_real_rings) * layout::block_ring_stride <=
              layout::net_ports);
constinit Late<RingTenants> tenants;

// Of another ring of the domain on a disk of the same kind, or a place that is found for it.
RingTenant* tenant_for(const Domain& domain, const VirtualDisk& disk, std::uint16_t group,
                       const std::int64_t* values, RingTenants& among) {
    for (const BlockRing* ring = domain.block_rings; ring != nullptr; ring = ring->next)
        if (ring->disk->is_real() == disk.is_real())
            return ring->domain;
    return among.place_for(domain, group, values);
}

} // namespace

void start_seats() {
    modelled.tenants = &tenants.make();
    // The first call for a ring is short, too.
    if (!reserve_hypervisor(layout::block_rings, layout::block_ring_stride))
        machine::out_of_memory("no memory for the tables of block rings: give the machine more (--mem)");
}

void start_real_seats(RingTenants& of_real) {
    real_disks.tenants = &of_real;
    if (!reserve_hypervisor(real_disks.memory, layout::block_ring_stride))
        machine::out_of_memory("no memory for the tables of real disks: give the machine more (--mem)");
}

namespace {

template<std::uint32_t most>
Result<BlockRing*> make_in(Seats<most>& seats, Domain& domain, VirtualDisk& disk, std::uint16_t group,
                           const std::int64_t* values) {
    const auto place = std::ranges::find(seats.rings, nullptr);
    RingTenant* const tenant = tenant_for(domain, disk, group, values, *seats.tenants);
    if (place == seats.rings.end() || tenant == nullptr)
        return fail(Error::no_space);
    const auto number = static_cast<std::uint32_t>(place - seats.rings.begin());
    const auto memory = seats.address_of(number);
    BULKHEAD_TRY(take_ring_memory(domain, memory, ring_pages));
    auto& ring = *::new (reinterpret_cast<void*>(memory)) BlockRing{};
    ring.queue.number = number;
    ring.domain = tenant;
    ring.guest = &domain;
    ring.disk = &disk;
    ++tenant->rings;
    *place = &ring;
    seats.end = std::max(seats.end, number + 1);
    return &ring;
}

template<std::uint32_t most>
void free_in(Seats<most>& seats, BlockRing& ring) {
    const auto number = ring.queue.number;
    Domain& domain = *ring.guest;
    note_more(ring, false);
    --ring.domain->rings;
    seats.rings[number] = nullptr;
    ring.~BlockRing();
    return_ring_memory(domain, seats.address_of(number), ring_pages);
}

} // namespace

Result<BlockRing*> make_ring(Domain& domain, VirtualDisk& disk, std::uint16_t group,
                             const std::int64_t* values) {
    return disk.is_real() ? make_in(real_disks, domain, disk, group, values)
                          : make_in(modelled, domain, disk, group, values);
}

void free_ring(BlockRing& ring) {
    if (ring.disk->is_real())
        free_in(real_disks, ring);
    else
        free_in(modelled, ring);
}

template<>
BlockRing* ring_by_number<false>(std::uint32_t number) {
    return modelled.numbered(number);
}
template<>
BlockRing* ring_by_number<true>(std::uint32_t number) {
    return real_disks.numbered(number);
}

void note_more(BlockRing& ring, bool has_more) {
    if (ring.has_more != has_more)
        (ring.disk->is_real() ? real_disks.with_more : modelled.with_more) += has_more ? 1U : ~0U;
    ring.has_more = has_more;
}

template<>
bool is_more_left<false>() {
    return modelled.with_more > 0;
}
template<>
bool is_more_left<true>() {
    return real_disks.with_more > 0;
}

template<>
BlockRing* ring_with_more<false>() {
    return modelled.one_with_more();
}
template<>
BlockRing* ring_with_more<true>() {
    return real_disks.one_with_more();
}

} // namespace bulkhead::hv
