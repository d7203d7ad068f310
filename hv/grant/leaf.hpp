// The page-table entry that a grant is mapped through: named by the virtual address it maps, or by its own
// machine address.
#pragma once

#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

struct LeafPlace {
    Vcpu& vcpu;
    std::uint64_t address;
    bool is_entry; // `address` is the entry's machine address (GNTMAP_contains_pte)
};

// Both need the lock of the domain's page tables.
// 0 if not present. Fails with `invalid` where the guest has no leaf entry.
[[nodiscard]] Result<std::uint64_t> read_place(const LeafPlace& place);
// The reference that `entry` needs passes to it; the old entry's is dropped. Translations are flushed.
[[nodiscard]] Result<> write_place(const LeafPlace& place, std::uint64_t entry);

} // namespace bulkhead::hv
