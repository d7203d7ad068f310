// How a pCPU without work passes its time until an interrupt.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// For a machine with turns (hv/arch/turns.hpp), before the first rest. Parallel: a pCPU that idles or waits
// uses up its turns, so that the speed of the others does not depend on it. Else an idle pCPU halts.
void start_resting(bool parallel);

// Returns after an interrupt that gives this pCPU something to look at: a timer, a request. Interrupts are
// off before and after. `due` is when the timer will interrupt. When all pCPUs rest, all of them halt.
void rest(RealTime due);

// Between two looks at what another pCPU must change.
void wait_briefly();
// Whether a pCPU does not rest.
[[nodiscard]] bool does_anybody_work();

} // namespace bulkhead::hv
