// Turns of the pCPUs in an emulator that counts instructions and runs its processors one after the other: a
// turn ends at the machine's next timer (docs/decisions/0008-turns.md). A processor that is no pCPU, the
// keeper, has a timer that expires every few microseconds and interrupts nobody. All other timers expire at
// the ends of turns too: one that expired within a turn would cut it short, and the pCPUs would not get
// equally many instructions.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// What the keeper does: once at first, and whenever an interrupt has woken it; interrupts are off.
void start_keeping();
void keep_turns();

// Once the keeper has started: from now on turns can be paused.
void use_turns(std::uint32_t keeper_apic_id);
[[nodiscard]] bool are_there_turns();

// The end of a turn at `wanted` or next after it, and after the present instant.
[[nodiscard]] RealTime turn_end(RealTime wanted, RealTime now);
// Of all pCPUs.
[[nodiscard]] Nanos round_length();

// While all pCPUs sleep there are no turns, so that the clock may jump. A pCPU that begins to work waits
// until there are turns again, which takes no time of the clock.
void pause_turns();
void resume_turns();
void await_turns();

} // namespace bulkhead::hv
