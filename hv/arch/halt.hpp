// Halting, so that the clock of an emulated machine afterwards depends on nothing but the machine.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// Once, after the clock has started: finds out whether the clock counts instructions.
void start_halting();

// TSC ticks of an instruction; 0 if the clock passes by itself.
[[nodiscard]] std::uint64_t ticks_per_instruction();

// Halts this pCPU, whose timer is set to `due`, until an interrupt has been taken. Interrupts are off before
// and after.
void halt(RealTime due);

} // namespace bulkhead::hv
