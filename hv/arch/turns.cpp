#include "hv/arch/turns.hpp"

#include "hv/arch/cpu.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

// In ticks of the interval timer (1 193 182 Hz). A turn ends whenever the timer's output changes.
constexpr std::uint32_t round_ticks = 24, least_turn_ticks = 2;

} // namespace

void shorten_turns(std::uint32_t pcpus) {
    constexpr std::uint8_t channel_0_square_wave = 0x36;
    const auto period =
        2 * std::max(round_ticks / pcpus,
                     least_turn_ticks); // its interrupt is masked: start_apic() silenced the controllers
    cpu::outb(0x43, channel_0_square_wave);
    cpu::outb(0x40, static_cast<std::uint8_t>(period));
    cpu::outb(0x40, static_cast<std::uint8_t>(period >> 8));
}

} // namespace bulkhead::hv
