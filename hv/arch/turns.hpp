// Keeps the turns of an emulator short that runs all processors in one thread. Under an instruction-counting
// clock a turn ends at the machine's next timer, so a timer without a handler is kept running.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

// With more than one pCPU, and an instruction-counting clock. See docs/decisions/0008-turns.md.
void shorten_turns(std::uint32_t pcpus);

} // namespace bulkhead::hv
