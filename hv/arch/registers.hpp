// A guest's general registers exactly as the entry path pushes them (hv/entry/entry.S).
#pragma once

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct Registers {
    std::uint64_t r15, r14, r13, r12, rbp, rbx, r11, rax, rcx;
    std::uint64_t rdi, rsi, rdx, r10, r8, r9; // a hypercall's arguments, in the ABI's order
    std::uint64_t vector; // what brought us here: exception or interrupt vector, or entry_syscall
    std::uint64_t error;  // the processor's error code, 0 where it gives none
    std::uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(Registers) == 176 && sizeof(Registers) % 16 == 0);

inline constexpr std::uint64_t entry_syscall = 0x100;   // `vector` of an entry by SYSCALL
inline constexpr std::uint64_t entry_syscall32 = 0x101; // the same from 32-bit code
inline constexpr std::uint64_t entry_sysenter = 0x102;
inline constexpr unsigned system_call_vector = 0x80;   // INT, a system call of many kernels
inline constexpr unsigned pae_hypercall_vector = 0x82; // INT from ring 1

namespace rflags {
inline constexpr std::uint64_t carry = 1 << 0, fixed = 1 << 1, trap = 1 << 8, interrupt = 1 << 9,
                               direction = 1 << 10, iopl = 3 << 12, nested = 1 << 14, resume = 1 << 16,
                               vm86 = 1 << 17, align = 1 << 18;
}

// What a guest may set of `flags`: the arithmetic flags, TF, DF, NT, RF, AC and ID. IF is always on for real,
// IOPL always 0; VM, VIF and VIP have no meaning in 64-bit code.
[[nodiscard]] constexpr std::uint64_t guest_flags(std::uint64_t flags) {
    constexpr std::uint64_t theirs = 0x0025'4dd5;
    return (flags & theirs) | rflags::fixed | rflags::interrupt;
}

} // namespace bulkhead::hv
