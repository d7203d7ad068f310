// A job with a known answer: a fixed number of steps of a generator whose end can be worked out without
// taking the steps. Registers that a host loses or mixes up show in the answer.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option seed{"seed", "1", "1", "what the generator begins with"};
constexpr Option steps{"steps", "1", "10000000", "steps to take; each takes four instructions in 64 bits"};
constexpr Option options_[] = {seed, steps};

constexpr std::uint64_t steps_of_a_mark = 1'000'000;

// The linear congruential generator of Knuth's MMIX (The Art of Computer Programming 2, 3.3.4).
std::uint64_t take(std::uint64_t value, std::uint64_t count) {
    const std::uint64_t factor = 6364136223846793005;
    const std::uint64_t addend = 1442695040888963407;
#ifdef __i386__
    for (; count != 0; --count)
        value = value * factor + addend;
#else
    asm volatile("1: imul %[factor], %[value]\n"
                 "   add %[addend], %[value]\n"
                 "   dec %[left]\n"
                 "   jnz 1b\n"
                 : [value] "+r"(value), [left] "+r"(count)
                 : [factor] "r"(factor), [addend] "r"(addend)
                 : "cc");
#endif
    return value;
}

void run() {
    std::uint64_t value = seed.number(), left = steps.number();
    while (left != 0 && !over()) {
        const std::uint64_t some = left < steps_of_a_mark ? left : steps_of_a_mark;
        value = take(value, some);
        left -= some;
        guest::mark(guest::Mark::operations, steps.number() - left);
    }
    guest::mark(guest::Mark::finished, steps.number() - left);
    guest::print("RESULT name=checksum steps={} value={} ns={}\n", steps.number() - left, value,
                 guest::now() - began());
}

constexpr Workload checksum{Kind::victim, "checksum",
                            "a job of so many steps whose answer is known beforehand", options_, run};
BULKHEAD_WORKLOAD(checksum)

} // namespace
} // namespace bulkhead::workload
