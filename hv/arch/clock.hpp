// Real time: the time-stamp counter, scaled. The frequency comes from the manifest where the maker of the
// machine knows it (an instruction-counting clock is exact), else from the interval timer.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

// hz 0: measure. Real time starts at this call.
void start_clock(std::uint64_t hz);
// Busy-waits; for calibration at boot only.
void spin_for(Nanos duration);

} // namespace bulkhead::hv
