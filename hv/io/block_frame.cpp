// What the block back end holds of a guest, for the audit.
#include "hv/domain/holders.hpp"
#include "hv/io/block_ring.hpp"

namespace bulkhead::hv {

Mfn block_ring_frame(const Domain& domain, std::uint32_t index) {
    const BlockRing* ring = domain.block_rings;
    for (; ring != nullptr && index > 0; --index)
        ring = ring->next;
    return ring != nullptr ? ring->frame : Mfn{};
}

} // namespace bulkhead::hv
