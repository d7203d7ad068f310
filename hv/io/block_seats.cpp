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

constinit std::array<BlockRing*, max_rings> all_rings{};
constinit std::uint32_t rings_end = 0; // no ring has this number or a higher one
constinit std::uint32_t next_turn = 0; // of those with more requests
constinit std::uint32_t rings_with_more = 0;
constinit Late<RingTenants> tenants;

std::uint64_t address_of(std::uint32_t number) {
    return layout::block_rings + number * layout::block_ring_stride;
}

} // namespace

void start_seats() {
    tenants.make();
    // The first call for a ring is short, too.
    if (!reserve_hypervisor(layout::block_rings, layout::block_ring_stride))
        machine::panic("no memory for the tables of block rings: give the machine more (--mem)");
}

Result<BlockRing*> make_ring(Domain& domain, std::uint16_t group, const std::int64_t* values) {
    const auto place = std::ranges::find(all_rings, nullptr);
    RingTenant* const tenant = domain.block_rings != nullptr ? domain.block_rings->domain
                                                             : tenants->place_for(domain, group, values);
    if (place == all_rings.end() || tenant == nullptr)
        return fail(Error::no_space);
    const auto number = static_cast<std::uint32_t>(place - all_rings.begin());
    BULKHEAD_TRY(take_ring_memory(domain, address_of(number), ring_pages));
    auto& ring = *::new (reinterpret_cast<void*>(address_of(number))) BlockRing{};
    ring.queue.number = number;
    ring.domain = tenant;
    ring.guest = &domain;
    ++tenant->rings;
    *place = &ring;
    rings_end = std::max(rings_end, number + 1);
    return &ring;
}

void free_ring(BlockRing& ring) {
    const auto number = ring.queue.number;
    Domain& domain = *ring.guest;
    note_more(ring, false);
    --ring.domain->rings;
    all_rings[number] = nullptr;
    ring.~BlockRing();
    return_ring_memory(domain, address_of(number), ring_pages);
}

BlockRing* ring_by_number(std::uint32_t number) { return number < max_rings ? all_rings[number] : nullptr; }

void note_more(BlockRing& ring, bool has_more) {
    if (ring.has_more != has_more)
        rings_with_more += has_more ? 1U : ~0U;
    ring.has_more = has_more;
}

bool is_more_left() { return rings_with_more > 0; }

BlockRing* ring_with_more() {
    if (!is_more_left())
        return nullptr;
    for (std::uint32_t i = 0; i < rings_end; ++i) {
        next_turn = next_turn + 1 < rings_end ? next_turn + 1 : 0;
        if (BlockRing* const ring = all_rings[next_turn]; ring != nullptr && ring->has_more)
            return ring;
    }
    return nullptr;
}

} // namespace bulkhead::hv
