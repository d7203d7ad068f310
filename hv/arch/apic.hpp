// The local APIC: the one-shot timer that every deadline comes from, and the end-of-interrupt
// acknowledgement.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

inline constexpr std::uint8_t timer_vector = 0xf0, kick_vector = 0xf1, spurious_vector = 0xff;

// Enables this pCPU's APIC, silences the legacy controllers, measures the timer against the clock.
void start_apic();
void acknowledge_interrupt();
// Asks for a timer interrupt at `deadline` (or a little later); never() stops the timer. A deadline more than
// a second away is answered early, and whoever handles the interrupt asks again.
void program_timer(RealTime deadline);

} // namespace bulkhead::hv
