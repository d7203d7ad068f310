#include "hv/arch/apic.hpp"

#include "hv/arch/clock.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t identifier = 0x20, command_low = 0x300, command_high = 0x310, eoi = 0xb0,
                        spurious = 0xf0, lvt_timer = 0x320, initial_count = 0x380, current_count = 0x390,
                        divide = 0x3e0, masked = 1 << 16, init = 5 << 8, start_up = 6 << 8,
                        assert_level = 1 << 14;
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

// Waits until the previous command has left, and sends this one.
void command(std::uint32_t apic_id, std::uint32_t what) {
    constexpr std::uint32_t underway = 1 << 12;
    while ((reg(command_low) & underway) != 0)
        asm volatile("pause");
    reg(command_high) = apic_id << 24;
    reg(command_low) = what;
}

} // namespace

std::uint32_t own_apic_id() { return reg(identifier) >> 24; }

void start_apic() {
    cpu::wrmsr(cpu::msr::apic_base, cpu::rdmsr(cpu::msr::apic_base) | (1 << 11));
    reg(spurious) = 0x100 | spurious_vector;
    reg(divide) = 0xb; // by 1
    reg(lvt_timer) = masked | timer_vector;
    if (timer_hz == 0) {
        silence_legacy_controllers();
        timer_hz = measure_timer();
    }
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

void send_interrupt(std::uint32_t apic_id, std::uint8_t vector) { command(apic_id, assert_level | vector); }
void send_init(std::uint32_t apic_id) { command(apic_id, assert_level | init); }
void send_start_up(std::uint32_t apic_id, std::uint64_t page) {
    command(apic_id, assert_level | start_up | static_cast<std::uint32_t>(page));
}

} // namespace bulkhead::hv
