// An emulator that counts instructions lets the clock jump to the next timer when all processors sleep. QEMU
// does that in another thread, which may look a moment too early, before the last instructions were counted.
// The clock is then ahead by a varying number of instructions, and no two runs are alike. The counter is
// therefore read right before HLT, which counts the instructions before it. The few instructions that remain
// are made up for: every wake by the timer goes on at the same distance from the instant the timer was set
// to.
#include "hv/arch/halt.hpp"

#include "hv/arch/cpu.hpp"
#include "hv/base/machine.hpp"

#include <bit>

// Takes `count` instructions longer than with 0; at most longest_pass (halt_pass.S).
extern "C" void pass_instructions(std::uint64_t count);

namespace bulkhead::hv {

namespace {

constexpr std::int64_t longest_pass = 63;
// From the instant the timer was set to until halt() looks at the clock: less than this many instructions.
constexpr std::int64_t way_back = 132;

struct InstructionTime {
    bool counted = false; // else the clock is one that passes by itself
    int shift = 0;        // an instruction takes 1 << shift ns
};
constinit InstructionTime instruction{};

// TSC ticks of the two instructions between two readings.
std::uint64_t two_instructions() {
    std::uint64_t first, second;
    asm volatile("rdtsc; mov %%rax, %0; rdtsc" : "=&r"(first), "=a"(second)::"rdx");
    return (second - first) & 0xffffffff;
}

} // namespace

void start_halting() {
    const auto two = two_instructions();
    for (int i = 0; i < 16; ++i)
        if (two_instructions() != two)
            return;
    if (machine::tsc_scale().hz == 1'000'000'000 && two >= 2 && (two & (two - 1)) == 0)
        instruction = {true, std::countr_zero(two) - 1};
}

std::uint64_t ticks_per_instruction() {
    return instruction.counted ? std::uint64_t{1} << instruction.shift : 0;
}

void halt(RealTime due) {
    cpu::wait_for_interrupt();
    if (!instruction.counted)
        return;
    const auto left = (due - machine::now()).count() >> instruction.shift;
    const auto pass = left + way_back;
    if (pass >= 0 && pass <= longest_pass)
        pass_instructions(static_cast<std::uint64_t>(pass));
}

} // namespace bulkhead::hv
