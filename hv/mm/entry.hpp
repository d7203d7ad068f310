// Page-table entries as numbers: what a guest may put into one, and what the hypervisor makes of it.
#pragma once

#include "hv/mm/frame.hpp"

#include <cstdint>

namespace bulkhead::hv::entry {

inline constexpr std::uint64_t present = 1, writable = 2, user = 4, write_through = 8, cache_disable = 0x10,
                               accessed = 0x20, dirty = 0x40, large = 0x80, attribute_table = 0x80,
                               global = 0x100, address_bits = 0x000ffffffffff000;

inline constexpr unsigned per_table = 512;
inline constexpr unsigned hypervisor_first = 256, hypervisor_last = 271; // slots of an L4, fixed by the ABI

[[nodiscard]] constexpr bool is_present(std::uint64_t e) { return (e & present) != 0; }
[[nodiscard]] constexpr bool is_writable(std::uint64_t e) { return (e & writable) != 0; }
[[nodiscard]] constexpr Mfn frame(std::uint64_t e) { return Mfn{(e & address_bits) >> page_shift}; }

[[nodiscard]] constexpr bool is_table(FrameType type) {
    return type >= FrameType::l1 && type <= FrameType::pae_l2_top;
}
[[nodiscard]] constexpr FrameType below(FrameType table) {
    return static_cast<FrameType>(static_cast<std::uint8_t>(table) - 1);
}
[[nodiscard]] constexpr bool is_hypervisor_index(unsigned index) {
    return index >= hypervisor_first && index <= hypervisor_last;
}
[[nodiscard]] constexpr bool is_hypervisor_slot(FrameType table, unsigned index) {
    return table == FrameType::l4 && is_hypervisor_index(index);
}

// What the processor will see for what the guest asked. Both kernel and applications of a 64-bit guest run in
// ring 3, so every present entry is the user's; no translation of a guest is global, so that loading a root
// drops all of them; all of a guest's memory is ordinary write-back memory. Entries that are not present are
// the guest's own business.
[[nodiscard]] constexpr std::uint64_t sanitised(FrameType table, std::uint64_t e) {
    if (!is_present(e))
        return e;
    const auto dropped =
        write_through | cache_disable | global | (table == FrameType::l1 ? attribute_table : 0);
    return (e & ~dropped) | user;
}

// Large pages would map frames whose types are not counted; in an L4 the same bit is reserved.
[[nodiscard]] constexpr bool is_allowed(FrameType table, std::uint64_t e) {
    return !is_present(e) || table == FrameType::l1 || (e & large) == 0;
}

// Whether changing `from` into `to` leaves what the entry refers to, and how, as it is.
[[nodiscard]] constexpr bool same_reference(std::uint64_t from, std::uint64_t to) {
    return is_present(from) && ((from ^ to) & (address_bits | present | writable)) == 0;
}

} // namespace bulkhead::hv::entry
