// What differs between the widths that the runtime and all programs on it are built for: 64-bit PV (pv64) and
// 32-bit PV with PAE (pv32). Nothing else asks for the width, except what speaks to registers.
#pragma once

#include <cstdint>

namespace bulkhead::guest {

// A register, and an address.
using Word = std::uintptr_t;
inline constexpr bool is_narrow = sizeof(Word) == 4;

// The parts of the kernel's address space. In 32 bits each has one of the root's four entries, the last of
// which is shared with the hypervisor's hole, and applications have the first.
inline constexpr std::uint64_t kernel_base =
    is_narrow ? 0xc0000000 : 0xffffffff80000000; // pfn 0 in the builder's mapping
inline constexpr std::uint64_t direct_map_base =
    is_narrow ? 0x80000000 : 0xffff880000000000; // pfn 0 in the direct map
inline constexpr std::uint64_t window_base =
    is_narrow ? 0x40000000 : 0xffff884000000000; // foreign, grant and shared frames

inline constexpr unsigned root_level = is_narrow ? 3 : 4;

template<class T>
[[nodiscard]] T* at_address(std::uint64_t address) {
    return reinterpret_cast<T*>(static_cast<Word>(address));
}
template<class T>
[[nodiscard]] Word address_of(T* pointer) {
    return reinterpret_cast<Word>(pointer);
}

} // namespace bulkhead::guest
