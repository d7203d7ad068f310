// The policies that take over when one is ejected: built into every host, with no parameters, and simple
// enough to be right by looking.
#pragma once

#include "abi/plugin.hpp"

namespace bulkhead::host {

// One queue, equal slices.
[[nodiscard]] const plugin::Descriptor& fallback_scheduler();
// Keeps every target as it is; a new domain gets what is left.
[[nodiscard]] const plugin::Descriptor& fallback_memory_policy();
// The oldest request first.
[[nodiscard]] const plugin::Descriptor& fallback_ring_policy();

} // namespace bulkhead::host
