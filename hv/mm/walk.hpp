// Reading a guest's page tables in software: for entry updates, the fault handler and the crash dump. Changes
// nothing.
#pragma once

#include "hv/mm/entry.hpp"

#include <array>

namespace bulkhead::hv {

struct Walk {
    std::array<std::uint64_t, 4> entries{}; // L4 first; zero below the first that is not present
    Mfn l1{};                               // the L1 that covers the address, Mfn{} if there is none
    unsigned l1_index = 0;
    std::uint64_t leaf = 0; // the L1 entry
    bool ok = false;        // the leaf is present
};

[[nodiscard]] constexpr unsigned table_index(unsigned level, GuestAddress at) {
    return static_cast<unsigned>(at.value() >> (page_shift + 9 * (level - 1))) & (entry::per_table - 1);
}

// Whether a guest may have pages of its own there: canonical and outside the hypervisor's slots.
[[nodiscard]] constexpr bool is_guest_address(GuestAddress at) {
    const auto high = static_cast<std::int64_t>(at.value()) >> 47;
    const auto slot = table_index(4, at);
    return (high == 0 || high == -1) && (slot < entry::hypervisor_first || slot > entry::hypervisor_last);
}

// Any `root` and address may be given; a frame that is not RAM and an address that is not a guest's are not
// followed.
[[nodiscard]] Walk walk(Mfn root, GuestAddress at);

} // namespace bulkhead::hv
