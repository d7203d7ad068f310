#include "hv/arch/apic.hpp"

#include "hv/arch/clock.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/halt.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/turns.hpp"
#include "hv/base/machine.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t identifier = 0x20, task_priority = 0x80, command_low = 0x300, command_high = 0x310,
                        eoi = 0xb0, spurious = 0xf0, lvt_timer = 0x320, initial_count = 0x380,
                        current_count = 0x390, divide = 0x3e0, masked = 1 << 16, periodic = 1 << 17,
                        init = 5 << 8, start_up = 6 << 8, assert_level = 1 << 14;
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

// At that instant to the nanosecond, which a counted clock allows: the counter is read six instructions
// before the timer is set. If the pCPU's turn ends in between, and the instant is over, the timer expires at
// the end of a later turn.
void set_timer_exactly(RealTime at) {
    const auto setting = 6 * ticks_per_instruction() + 1; // it expires one tick after it has counted to 0
    const auto target =
        machine::tsc_scale().origin + static_cast<std::uint64_t>(at.since_start().count()) - setting;
    const auto later = static_cast<std::uint64_t>(2 * round_length().count());
    std::uint64_t left = target, low, high;
    asm volatile("rdtsc; shl $32, %[high]; or %[low], %[high]; sub %[high], %[left]; "
                 "lea (%[left], %[later]), %[high]; cmovs %[high], %[left]; mov %k[left], %[count]"
                 : [low] "=&a"(low), [high] "=&d"(high), [left] "+&r"(left), [count] "=m"(reg(initial_count))
                 : [later] "r"(later)
                 : "cc");
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
    cpu.programmed = cpu.expires = deadline;
    if (deadline == RealTime::never()) {
        reg(initial_count) = 0;
        return;
    }
    const auto now = machine::now();
    const auto until = std::min(deadline, now + milliseconds(1'000));
    if (are_there_turns())
        return set_timer_exactly(cpu.expires = turn_end(until, now));
    const auto wait = std::max((until - now).count(), std::int64_t{0});
    const auto ticks = static_cast<std::uint64_t>(wait) * timer_hz / 1'000'000'000 + 1;
    reg(initial_count) = static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, 0xffffffff));
}

// The interrupt's priority is below that of the task, so that it stays pending for ever.
RealTime start_silent_timer(Nanos period) {
    constexpr std::uint32_t silent_vector = 0x31;
    reg(task_priority) = 0x40;
    reg(lvt_timer) = periodic | silent_vector;
    std::uint64_t low, high;
    asm volatile("rdtsc; mov %2, %3"
                 : "=&a"(low), "=&d"(high)
                 : "r"(static_cast<std::uint32_t>(period.count() - 1)), "m"(reg(initial_count))
                 : "memory");
    return machine::time_of(high << 32 | low) + Nanos{static_cast<std::int64_t>(ticks_per_instruction())};
}

void stop_silent_timer() { reg(initial_count) = 0; }

void send_interrupt(std::uint32_t apic_id, std::uint8_t vector) { command(apic_id, assert_level | vector); }
void send_init(std::uint32_t apic_id) { command(apic_id, assert_level | init); }
void send_start_up(std::uint32_t apic_id, std::uint64_t page) {
    command(apic_id, assert_level | start_up | static_cast<std::uint32_t>(page));
}

} // namespace bulkhead::hv
