// Stale translations. A frame may change its type or owner only when no processor can still reach it through
// an old entry; flushes are put off until then, because guests mostly flush by themselves first.
#pragma once

#include "hv/arch/machine.hpp"

#include <cstdint>

namespace bulkhead::hv::tlb {

// Grows with every full flush. A frame let go in an earlier epoch has no stale translations left.
extern std::uint32_t epoch;

// The processors whose vCPUs may hold translations of some address space. The one place where others would be
// asked: each processor of the mask flushes before this returns. One runs now, so the mask is always this
// one.
using Mask = std::uint64_t;
[[nodiscard]] inline Mask everyone() { return 1; }

inline void flush_mask(Mask) {
    ++epoch;
    machine::flush_tlb();
}
inline void flush_page_mask(Mask, GuestAddress address) { machine::flush_tlb_page(address); }

// Loading a root drops all of a guest's translations, which are never global.
inline void load_root(Mfn root) {
    ++epoch;
    machine::load_root(root);
}

// To be called before a frame whose last use ended in epoch `last_use` serves another purpose. The epoch
// after a wrap of 2^32 flushes may cause a needless flush, never a missing one: equality is all that is asked
// of frames let go just now, and older ones are long flushed.
inline void before_reuse(std::uint32_t last_use) {
    if (last_use == epoch)
        flush_mask(everyone());
}

} // namespace bulkhead::hv::tlb
