// The hypervisor's part in a stop of the timeline: it lets the machine stand still and carries orders between
// the world outside and domain 0. It neither reads nor judges them.
#pragma once

#include "abi/steering.hpp"
#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

// Forgets what the loader may have left on the page.
void start_steering();
// control::Call::stand_still. `page` is the address of a steering::Page in domain 0.
[[nodiscard]] HypercallResult stand_still(std::uint64_t page);

} // namespace bulkhead::hv
