// Kinds of virtual addresses that fault handling tells apart. Pure arithmetic; says nothing about whether
// anything is mapped there.
#pragma once

#include "hv/mm/walk.hpp"

#include <cstdint>

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// 48-bit canonical form: bits 63..47 are all equal.
[[nodiscard]] constexpr bool is_canonical(std::uint64_t address) {
    const auto top = address >> 47;
    return top == 0 || top == (std::uint64_t{1} << 17) - 1;
}

[[nodiscard]] constexpr bool in_hypervisor_range(std::uint64_t address) {
    return address >= __HYPERVISOR_VIRT_START && address < __HYPERVISOR_VIRT_END;
}

// The machine-to-physical table is the only part of the range that guests can read.
[[nodiscard]] constexpr bool in_machine_to_physical(std::uint64_t address) {
    return address >= __MACH2PHYS_VIRT_START && address < __MACH2PHYS_VIRT_END;
}

// An address that a guest may name as an entry point or a breakpoint.
[[nodiscard]] constexpr bool is_guest_address(std::uint64_t address) {
    return is_guest_address(GuestAddress{address});
}

} // namespace bulkhead::hv
