// What tests ask for in both widths, where the interface or the processor names it differently.
#pragma once

#include "guest/runtime/hypercall.hpp"

#include <xen/callback.h>

namespace bulkhead::guest_test {

using namespace bulkhead::guest;

// The last page of the hypervisor's part of the address space.
#ifdef __i386__
inline constexpr Word hypervisor_last_page = 0xfffff000;
#else
inline constexpr Word hypervisor_last_page = HYPERVISOR_VIRT_END - page_bytes;
#endif

// Of the hypervisor, and never a guest's to read in 32 bits; in 64, arguments are refused from all of its
// part.
inline constexpr Word hypervisor_memory = is_narrow ? MACH2PHYS_VIRT_END : HYPERVISOR_VIRT_START;

// No machine has this frame; every frame number of the width can say it.
inline constexpr xen_pfn_t no_frame = is_narrow ? 0x3fffffff : static_cast<xen_pfn_t>(0x3fffffffff);

inline constexpr std::uint64_t no_address = std::uint64_t{no_frame} << page_shift;

inline constexpr unsigned kernel_ring = is_narrow ? 1 : 3;
inline constexpr unsigned pin_root = is_narrow ? MMUEXT_PIN_L3_TABLE : MMUEXT_PIN_L4_TABLE;

// An entry of the kernel's, as a callback names it.
[[nodiscard]] inline xen_callback_t callback_at(Word address) {
#ifdef __i386__
    return {.cs = FLAT_KERNEL_CS, .eip = address};
#else
    return address;
#endif
}
[[nodiscard]] inline xen_callback_t callback_at(void (*entry)()) {
    return callback_at(reinterpret_cast<Word>(entry));
}

[[nodiscard]] inline Word processor_flags() {
    Word value = 0;
    asm volatile("pushf; pop %0" : "=r"(value) : : "memory");
    return value;
}
inline void set_processor_flags(Word value) { asm volatile("push %0; popf" : : "r"(value) : "memory", "cc"); }

} // namespace bulkhead::guest_test
