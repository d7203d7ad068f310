// The local APIC: the one-shot timer that every deadline comes from, and the end-of-interrupt
// acknowledgement.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

inline constexpr std::uint8_t timer_vector = 0xf0, kick_vector = 0xf1, request_vector = 0xf2,
                              wake_vector = 0xf3, spurious_vector = 0xff;

// Enables this pCPU's APIC; on the first, also silences the legacy controllers and measures the timer against
// the clock.
void start_apic();
[[nodiscard]] std::uint32_t own_apic_id();
void acknowledge_interrupt();
// Asks for a timer interrupt at `deadline` or a little later, where there are turns at the end of a turn;
// never() stops the timer. A deadline more than a second away is answered early, and the interrupt handler
// asks again.
void program_timer(RealTime deadline);

// To another processor, by its APIC identifier: an interrupt; the two steps of its start.
void send_interrupt(std::uint32_t apic_id, std::uint8_t vector);
// For the processor that keeps turns: a timer that expires every `period` and interrupts nobody. Answers an
// instant from which on it does so.
[[nodiscard]] RealTime start_silent_timer(Nanos period);
void stop_silent_timer();
void send_init(std::uint32_t apic_id);
void send_start_up(std::uint32_t apic_id, std::uint64_t page); // real mode starts at page * 4096

} // namespace bulkhead::hv
