// The local APIC: the one-shot timer that every deadline comes from, and the end-of-interrupt
// acknowledgement.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

inline constexpr std::uint8_t timer_vector = 0xf0, kick_vector = 0xf1, request_vector = 0xf2,
                              spurious_vector = 0xff;

// Enables this pCPU's APIC; on the first, also silences the legacy controllers and measures the timer against
// the clock.
void start_apic();
[[nodiscard]] std::uint32_t own_apic_id();
void acknowledge_interrupt();
// Asks for a timer interrupt at `deadline` (or a little later); never() stops the timer. A deadline more than
// a second away is answered early, and the interrupt handler asks again.
void program_timer(RealTime deadline);

// To another processor, by its APIC identifier: an interrupt; the two steps of its start.
void send_interrupt(std::uint32_t apic_id, std::uint8_t vector);
void send_init(std::uint32_t apic_id);
void send_start_up(std::uint32_t apic_id, std::uint64_t page); // real mode starts at page * 4096

} // namespace bulkhead::hv
