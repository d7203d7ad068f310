// Guest time: nanoseconds of system time as the hypervisor tells it, the wall clock, and sleeping.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::guest {

[[nodiscard]] GuestTime now();
[[nodiscard]] std::uint64_t timestamp(); // the raw counter (RDTSC)
[[nodiscard]] Nanos wall_clock();        // since the Unix epoch
void sleep_until(GuestTime deadline);    // blocked; other events are handled meanwhile
inline void sleep(Nanos duration) { sleep_until(now() + duration); }
void spin_until(GuestTime deadline); // running

// Time this vCPU wanted to run and did not (runstate), or -1 ns where the hypervisor has no runstate area.
[[nodiscard]] Nanos stolen();

} // namespace bulkhead::guest
