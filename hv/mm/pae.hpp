// Page tables and descriptors of 32-bit guests: what differs from hv/mm/entry.hpp. The guest has three
// levels. Its root, an L3 of four entries, hangs in slot 0 of an L4 that the hypervisor keeps for each vCPU.
// Its kernel runs in ring 1, which is supervisor to paging: so each entry is the user's or not, as the guest
// says, and no address above 4 GiB may lead anywhere.
#pragma once

#include "hv/mm/entry.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv::pae {

inline constexpr unsigned root_entries = 4;
// The hole from 0xf5800000 on belongs to the hypervisor in every address space; fixed by the ABI.
inline constexpr std::uint64_t hole = 0xf5800000, end = std::uint64_t{1} << 32;
inline constexpr unsigned first_hole_slot = (hole & ((1 << 30) - 1)) >> 21; // of the L2 of the last GiB

[[nodiscard]] constexpr bool is_table(FrameType type) {
    return type >= FrameType::pae_l1 && type <= FrameType::pae_l2_top;
}

// Slots that no guest may fill: behind the root's fourth, and those of the hole.
[[nodiscard]] constexpr bool is_closed_slot(FrameType table, unsigned index) {
    return (table == FrameType::pae_l3 && index >= root_entries) ||
           (table == FrameType::pae_l2_top && index >= first_hole_slot);
}

// The type of what entry `index` of a table names.
[[nodiscard]] constexpr FrameType child_type(FrameType table, unsigned index) {
    if (table == FrameType::pae_l3)
        return index == root_entries - 1 ? FrameType::pae_l2_top : FrameType::pae_l2;
    return FrameType::pae_l1;
}

// What the processor will see. In a root of three levels an entry has no rights: in the L3 that it really is,
// it must allow everything.
[[nodiscard]] constexpr std::uint64_t sanitised(FrameType table, std::uint64_t e) {
    if (!entry::is_present(e))
        return e;
    const auto dropped = entry::write_through | entry::cache_disable | entry::global |
                         (table == FrameType::pae_l1 ? entry::attribute_table : 0);
    const auto added = table == FrameType::pae_l3 ? entry::writable | entry::user : 0;
    return (e & ~dropped) | added;
}

[[nodiscard]] constexpr bool is_allowed(FrameType table, std::uint64_t e) {
    return !entry::is_present(e) || table == FrameType::pae_l1 || (e & entry::large) == 0;
}

} // namespace bulkhead::hv::pae
