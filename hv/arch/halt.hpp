// Halting, so that the clock of an emulated machine afterwards depends on nothing but the machine.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// Once, after the clock has started: finds out whether the clock counts instructions.
void start_halting();

// Halts this pCPU, whose timer is set to `due`, until an interrupt has been taken. Interrupts are off before
// and after.
void halt(RealTime due);

} // namespace bulkhead::hv
