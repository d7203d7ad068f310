// The one way to change 4 KiB entries of the hypervisor's half of every address space. They are global, so
// that no load of CR3 drops them anywhere: whoever changes one must have all pCPUs drop it before the frame
// that was behind it serves another purpose. Apart from the processor, so that unit tests run it over a
// model.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv::hypervisor_half {

inline constexpr std::uint64_t present = 1, processor_bits = 0x60; // accessed, dirty

// Entry i of `pages` from `address` on becomes `value_of(i)`. When this returns, no pCPU has a translation by
// an entry that was present before. `tables` has
//
//   std::uint64_t& entry(address)   of a page whose tables exist
//   void drop_here(address)         this pCPU's translation of one page, global or not
//   void drop_elsewhere()           all translations of all other pCPUs, global ones too; returns when done
template<class Tables, class Value>
void change(Tables& tables, std::uint64_t address, std::uint64_t pages, Value value_of) {
    bool stale = false;
    for (std::uint64_t i = 0; i < pages; ++i) {
        std::uint64_t& entry = tables.entry(address + i * page_bytes);
        const std::uint64_t before = entry & ~processor_bits, after = value_of(i);
        entry = after;
        if (before == after || (before & present) == 0) // what is not present is never cached
            continue;
        tables.drop_here(address + i * page_bytes);
        stale = true;
    }
    if (stale)
        tables.drop_elsewhere();
}

} // namespace bulkhead::hv::hypervisor_half
