#include "hv/arch/apic.hpp"

#include "hv/arch/clock.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/machine.hpp"
#include "hv/arch/pcpu.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t eoi = 0xb0, spurious = 0xf0, lvt_timer = 0x320, initial_count = 0x380,
                        current_count = 0x390, divide = 0x3e0, masked = 1 << 16;
std::uint64_t timer_hz = 0;

volatile std::uint32_t& reg(std::uint32_t offset) {
    return *reinterpret_cast<volatile std::uint32_t*>(layout::direct_map + 0xfee00000 + offset);
}

void silence_legacy_controllers() {
    cpu::outb(0x21, 0xff);
    cpu::outb(0xa1, 0xff);
}

// Timer ticks during 2 ms of real time.
std::uint64_t measure_timer() {
    reg(initial_count) = 0xffffffff;
    const auto start = machine::now();
    spin_for(milliseconds(2));
    const std::uint64_t ticks = 0xffffffff - reg(current_count);
    const auto elapsed = machine::now() - start;
    reg(initial_count) = 0;
    return ticks * 1'000'000'000ULL / static_cast<std::uint64_t>(elapsed.count());
}

} // namespace

void start_apic() {
    silence_legacy_controllers();
    cpu::wrmsr(cpu::msr::apic_base, cpu::rdmsr(cpu::msr::apic_base) | (1 << 11));
    reg(spurious) = 0x100 | spurious_vector;
    reg(divide) = 0xb; // by 1
    reg(lvt_timer) = masked | timer_vector;
    if (timer_hz == 0)
        timer_hz = measure_timer();
    reg(lvt_timer) = timer_vector; // one-shot
}

void acknowledge_interrupt() { reg(eoi) = 0; }

void program_timer(RealTime deadline) {
    auto& cpu = pcpu();
    if (deadline == cpu.programmed)
        return;
    cpu.programmed = deadline;
    if (deadline == RealTime::never()) {
        reg(initial_count) = 0;
        return;
    }
    const auto wait =
        std::clamp((deadline - machine::now()).count(), std::int64_t{0}, std::int64_t{1'000'000'000});
    const auto ticks = static_cast<std::uint64_t>(wait) * timer_hz / 1'000'000'000 + 1;
    reg(initial_count) = static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, 0xffffffff));
}

} // namespace bulkhead::hv
