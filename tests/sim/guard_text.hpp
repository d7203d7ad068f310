// A policy's text, as the simulator's guard sees one: functions in assembly, between two labels, each with
// one fault of its own. No compiler changes them, and no sanitizer is in them.
#pragma once

#include "sim/guard.hpp"

namespace bulkhead::sim_test {

struct Pair {
    std::uint64_t first, second;
};
enum class Colour : std::uint32_t { red = 7 };

extern "C" {
extern char guard_text_start[], guard_text_end[];

void guard_nothing();
std::uint64_t guard_sum(std::uint64_t& a, std::uint64_t b, Nanos c, PcpuId d,
                        Colour e); // a + 2b + 3c + 4d + 5e
Pair guard_pair(std::uint64_t first, std::uint64_t second);
std::uint64_t guard_first(std::uint64_t value);
bool guard_bool(bool value);
void* guard_pointer(void* value);
std::uint64_t guard_stack_pointer();

void guard_read_null();
void guard_write_text();
void guard_no_address();
void guard_undefined();
void guard_divide();
void guard_breakpoint();
void guard_jump_null();
void guard_jump_to(void* address);
void guard_recurse();
void guard_lose_stack(); // its stack pointer is no address any more
void guard_loop_without_stack();
void guard_loop();
void guard_loop_with_flags(); // with the direction and the alignment-check flag set
void guard_lose_registers();  // overwrites what a function must keep, then faults
// Calls service(context), `count` times.
void guard_serve(void (*service)(void* context), void* context, std::uint64_t count);
// Calls service(context) with the stack pointer at `lowest`.
void guard_serve_low(void (*service)(void* context), void* context, std::uint64_t lowest);
}
PcpuId guard_pcpu(PcpuId value) asm("guard_pcpu"); // clang lets no class be returned to C

inline sim::TextRange guard_text() {
    return {reinterpret_cast<std::uint64_t>(guard_text_start),
            reinterpret_cast<std::uint64_t>(guard_text_end)};
}

} // namespace bulkhead::sim_test
