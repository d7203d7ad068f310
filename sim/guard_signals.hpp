// The signals behind sim/guard.hpp: which guard owns a stack, and how a thread leaves a call that it was
// interrupted in. Handlers take no lock, allocate nothing, and pass on every signal that a policy did not
// cause.
#pragma once

#include "sim/guard.hpp"

namespace bulkhead::sim::guard {

// All stacks, taken or not. Called by handlers.
[[nodiscard]] Stack* all_stacks();

// Makes faults and ticks of this thread reach the handlers. Throws std::system_error.
void prepare_thread();
[[nodiscard]] int tick_signal(); // after prepare_thread

} // namespace bulkhead::sim::guard
