#include "hv/arch/clock.hpp"

#include "hv/arch/cpu.hpp"
#include "hv/base/machine.hpp"

namespace bulkhead::hv {

namespace {

machine::TscScale scale{};

// The same for this file's own use: ns = (ticks >> down) * factor >> 32. Equal to the pvclock formula to the
// nanosecond, with one shift less and no branch.
struct Conversion {
    std::uint64_t origin, factor;
    std::uint8_t down;
};
constinit Conversion conversion{};

// Counts TSC ticks during 50 ms of the interval timer's channel 2 (1 193 182 Hz), gated through port 0x61.
std::uint64_t measure_hz() {
    constexpr std::uint32_t pit_hz = 1'193'182, count = pit_hz / 20;
    const auto gate = static_cast<std::uint8_t>((cpu::inb(0x61) & ~0x02) | 0x01);
    cpu::outb(0x61, gate);
    cpu::outb(0x43, 0xb0); // channel 2, both bytes, mode 0
    cpu::outb(0x42, count & 0xff);
    cpu::outb(0x42, (count >> 8) & 0xff);
    const auto start = cpu::rdtsc();
    while ((cpu::inb(0x61) & 0x20) == 0)
        ;
    return (cpu::rdtsc() - start) * pit_hz / count;
}

// Real time begins here. ns = (ticks << shift) * mul >> 32 with the largest mul that fits 32 bits (the
// pvclock convention).
machine::TscScale scale_for(std::uint64_t hz) {
    std::int8_t shift = 0;
    std::uint64_t reduced = hz;
    while (reduced > 2'000'000'000) {
        reduced >>= 1;
        --shift;
    }
    while (reduced <= 1'000'000'000) {
        reduced <<= 1;
        ++shift;
    }
    const auto mul = static_cast<std::uint32_t>((1'000'000'000ULL << 32) / reduced);
    return {hz, cpu::rdtsc(), mul, shift};
}

} // namespace

void start_clock(std::uint64_t hz) {
    scale = scale_for(hz != 0 ? hz : measure_hz());
    const auto up = scale.shift > 0 ? scale.shift : 0;
    conversion = {scale.origin, std::uint64_t{scale.mul} << up, static_cast<std::uint8_t>(up - scale.shift)};
}

void spin_for(Nanos duration) {
    const auto end = machine::now() + duration;
    while (machine::now() < end)
        asm volatile("pause");
}

namespace machine {

std::uint64_t tsc() { return cpu::rdtsc(); }
TscScale tsc_scale() { return scale; }

RealTime now() { return time_of(cpu::rdtsc()); }

RealTime time_of(std::uint64_t tsc) { return RealTime{length_of(tsc - conversion.origin).count()}; }

Nanos length_of(std::uint64_t ticks) {
    const auto units = ticks >> conversion.down;
    return Nanos{
        static_cast<std::int64_t>((static_cast<unsigned __int128>(units) * conversion.factor) >> 32)};
}

} // namespace machine
} // namespace bulkhead::hv
