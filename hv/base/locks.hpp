// The two locks of the whole machine; docs/decisions/0007-locks.md says what each protects. The world comes
// first, the run lock inside it, never the other way round.
#pragma once

#include "hv/base/lock.hpp"

namespace bulkhead::hv {

inline constinit NestedLock the_world_lock{Lock::Last{}}, the_run_lock;

// The world lock protects existence and ownership: domains, frames and their types, grants, rings. It is held
// for the whole of a hypercall that touches any of these, and therefore by preemptible work.
[[nodiscard]] inline NestedLock& world_lock() { return the_world_lock; }

// The run lock protects the placement of vCPUs: their states, timers, the scheduler policy. It is held for
// one step of at most a few hundred instructions, or for a policy's hook.
[[nodiscard]] inline NestedLock& run_lock() { return the_run_lock; }

} // namespace bulkhead::hv
