// The unit of work: a loop whose instruction count does not depend on the compiler, so that operations per
// second compare between builds, machines and hypervisors.
#pragma once

#include <cstdint>

namespace bulkhead::workload {

// Four instructions per iteration. 250 iterations are one operation: 1000 instructions.
inline void work(std::uint64_t iterations) {
    if (iterations == 0)
        return;
    // Registers of either width: so are the instructions, and as many.
    auto value = static_cast<std::uintptr_t>(88172645463325252);
    auto left = static_cast<std::uintptr_t>(iterations);
    asm volatile("1: imul $0x5851f42d, %[value], %[value]\n"
                 "   xor $0x2545f491, %[value]\n"
                 "   dec %[left]\n"
                 "   jnz 1b\n"
                 : [value] "+r"(value), [left] "+r"(left)
                 :
                 : "cc");
}

inline constexpr std::uint64_t operation_iterations = 250;
inline void operation() { work(operation_iterations); }

} // namespace bulkhead::workload
