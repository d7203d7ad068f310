// Exceptions and software interrupts of this guest. An exception without a handler prints its frame and
// crashes the domain.
#pragma once

#include "guest/runtime/result.hpp"
#include "guest/runtime/width.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace bulkhead::guest::traps {

enum class Vector : std::uint8_t {
    divide = 0,
    debug = 1,
    nmi = 2,
    breakpoint = 3,
    overflow = 4,
    bounds = 5,
    undefined = 6,
    no_device = 7,
    double_fault = 8,
    tss = 10,
    segment = 11,
    stack = 12,
    protection = 13,
    page = 14,
    x87 = 16,
    alignment = 17,
    simd = 19,
    syscall = 0x80,
};

// Frame::vector of what has no vector.
inline constexpr std::uint64_t event_entry = 256, failsafe_entry = 257, syscall_entry = 258,
                               sysenter_entry = 259;

// What the entry code saved. A handler may change it; the change takes effect on return. Registers have their
// 64-bit names in both widths. In 32 bits the kernel's own frames end before `rsp`.
#ifdef __i386__
struct Frame {
    Word rdi, rsi, rbp, unused, rbx, rdx, rcx, rax;
    Word vector;
    Word error;
    Word rip, cs, rflags, rsp, ss;
};
#else
struct Frame {
    Word r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rax, rdx, rsi, rdi;
    Word vector;
    Word rcx, r11;
    Word error;
    Word rip, cs, rflags, rsp, ss;
};
#endif

// Returns true if the trap was handled and the frame should be resumed.
using Handler = bool (*)(Frame& frame);
void on(Vector vector, Handler handler); // nullptr: back to the default

struct Trap {
    Vector vector;
    std::uint64_t error;
    std::uint64_t address; // CR2 of a page fault, else 0
    std::uint64_t rip;
};

// Runs f(argument) and comes back early if it traps. Nested calls are fine; f must not own anything that
// needs a destructor.
std::optional<Trap> run_guarded(void (*f)(void*), void* argument);

// The same for a callable: `auto trap = probe([] { asm volatile("ud2"); });`
template<class F>
std::optional<Trap> probe(F&& f) {
    return run_guarded([](void* callable) { (*static_cast<std::remove_reference_t<F>*>(callable))(); },
                       const_cast<void*>(static_cast<const void*>(&f)));
}
// Guarded access to an address that may not be mapped.
[[nodiscard]] std::optional<Word> read_guarded(std::uint64_t address);
[[nodiscard]] bool write_guarded(std::uint64_t address, Word value);

} // namespace bulkhead::guest::traps
