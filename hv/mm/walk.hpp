// Reading a guest's page tables in software: for entry updates, the fault handler and the crash dump. Changes
// nothing.
#pragma once

#include "hv/mm/entry.hpp"

#include <array>

namespace bulkhead::hv {

struct Walk {
    std::array<std::uint64_t, 4> entries{}; // L4 first; zero below the first that is not present
    // The L1 that covers the address. Mfn{} if there is none: also where linear entries lead, since a table
    // of a higher level stands in its place there.
    Mfn l1{};
    unsigned l1_index = 0;

    // The L1 entry, or what a linear entry puts in its place, if it is present.
    [[nodiscard]] std::uint64_t leaf() const { return entries[3]; }
    [[nodiscard]] bool ok() const { return entry::is_present(leaf()); }
};

[[nodiscard]] constexpr unsigned table_index(unsigned level, GuestAddress at) {
    return static_cast<unsigned>(at.value() >> (page_shift + 9 * (level - 1))) & (entry::per_table - 1);
}

// Whether a guest may have pages of its own there: canonical and outside the hypervisor's slots.
[[nodiscard]] constexpr bool is_guest_address(GuestAddress at) {
    const auto high = static_cast<std::int64_t>(at.value()) >> 47;
    return (high == 0 || high == -1) && !entry::is_hypervisor_index(table_index(4, at));
}

// Any `root` and address may be given; a frame that is not RAM, an address that is not a guest's and a slot
// of the hypervisor's in an L4 at a lower level are not followed.
[[nodiscard]] Walk walk(Mfn root, GuestAddress at);

} // namespace bulkhead::hv
