// The three locks of the whole machine; docs/decisions/0007-locks.md says what each protects, and the order
// of all.
#pragma once

#include "hv/base/lock.hpp"

namespace bulkhead::hv {

inline constinit NestedLock<Rank::control> the_control_lock;
inline constinit NestedLock<Rank::drive> the_drive_lock;
inline constinit NestedLock<Rank::run> the_run_lock;

// The control lock makes domain 0's control calls, housekeeping and the end of a run exclude each other. No
// guest's call waits for it.
[[nodiscard]] inline NestedLock<Rank::control>& control_lock() { return the_control_lock; }

// The drive lock protects block and network rings, the modelled drive and switch that they share, and the
// ring policies. It is held for one call or event of a guest, or for as many requests as one preemption
// budget has time for.
[[nodiscard]] inline NestedLock<Rank::drive>& drive_lock() { return the_drive_lock; }

// The run lock protects the placement of vCPUs: their states, timers, the scheduler policy. It is held for
// one step of at most a few hundred instructions, or for a policy's hook.
[[nodiscard]] inline NestedLock<Rank::run>& run_lock() { return the_run_lock; }

} // namespace bulkhead::hv
