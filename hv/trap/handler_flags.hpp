// Flags on the way into a guest's kernel, in either width: what its frame says of the interrupted code, and
// what its handler starts with.
#pragma once

#include "hv/arch/registers.hpp"

#include <cstdint>

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// As the guest believes them to be: IF is the opposite of its event mask, and the I/O privilege is its own,
// if it asked to see that.
[[nodiscard, gnu::always_inline]] constexpr std::uint64_t
interrupted_flags(std::uint64_t flags, bool masked, std::uint64_t vm_assist, std::uint8_t iopl) {
    flags &= ~(rflags::interrupt | rflags::iopl);
    if (!masked)
        flags |= rflags::interrupt;
    if ((vm_assist & (std::uint64_t{1} << VMASST_TYPE_architectural_iopl)) != 0)
        flags |= std::uint64_t{iopl} << 12;
    return flags;
}

// Changes `flags` where they lie.
[[gnu::always_inline]] constexpr void start_handler(std::uint64_t& flags) {
    flags &= ~(rflags::align | rflags::vm86 | rflags::resume | rflags::nested | rflags::trap | rflags::iopl);
    flags |= rflags::interrupt | rflags::fixed;
}

} // namespace bulkhead::hv
